package machine

import (
	"bufio"
	"errors"
	"io"
	"log"
	"os"
	"strings"
	"sync"

	"github.com/rs/zerolog"
)

// OpenLog makes the log of the process on w, a JSON object a line. What libraries write
// through the packages log and log/slog, or to os.Stderr, becomes lines of it too. close
// writes the last of them, and restores those packages and os.Stderr.
func OpenLog(w io.Writer) (logger zerolog.Logger, close func() error, err error) {
	logger = zerolog.New(zerolog.SyncWriter(w)).With().Timestamp().Logger()
	read, write, err := os.Pipe()
	if err != nil {
		return logger, nil, err
	}
	flags, output, stderr := log.Flags(), log.Writer(), os.Stderr
	log.SetFlags(0)
	log.SetOutput(foreign{logger, "log"})
	os.Stderr = write
	var reader sync.WaitGroup
	reader.Go(func() {
		lines := bufio.NewReader(read)
		for {
			line, err := lines.ReadString('\n')
			if line = strings.TrimSpace(line); line != "" {
				_, _ = foreign{logger, "stderr"}.Write([]byte(line))
			}
			if err != nil {
				return
			}
		}
	})
	return logger, func() error {
		os.Stderr = stderr
		log.SetFlags(flags)
		log.SetOutput(output)
		err := write.Close()
		reader.Wait()
		return errors.Join(err, read.Close())
	}, nil
}

// foreign makes lines of the log of what libraries write.
type foreign struct {
	log  zerolog.Logger
	from string
}

// Write implements io.Writer.
func (f foreign) Write(text []byte) (int, error) {
	f.log.Warn().Str("from", f.from).Msg(strings.TrimSpace(string(text)))
	return len(text), nil
}

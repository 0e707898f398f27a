package lambdaenv

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"strings"

	"github.com/aws/smithy-go/logging"
	"github.com/rs/zerolog"
)

// newLog makes the function's log: lines of JSON on w, of the level that the template
// sets and above; the default is info.
//
// The level is applied only here. Lambda could filter lines too, but it treats every line
// without a level, such as those of the metrics, as INFO (AWS Lambda documentation,
// log-level filtering). So the template makes Lambda keep all lines.
func newLog(w io.Writer) zerolog.Logger {
	level, err := zerolog.ParseLevel(strings.ToLower(os.Getenv(LogLevel)))
	if err != nil || level == zerolog.NoLevel {
		level = zerolog.InfoLevel
	}
	return zerolog.New(w).Level(level).With().Timestamp().Str("function", os.Getenv("AWS_LAMBDA_FUNCTION_NAME")).Logger()
}

// takeOver sends the output of Go's own logger to the log. Lambda's runtime uses that
// logger when an invocation fails, and so does net/http.
func takeOver(log zerolog.Logger) {
	stdlog.SetFlags(0)
	stdlog.SetOutput(printed{log})
}

// printed receives the output of Go's own logger.
type printed struct{ log zerolog.Logger }

// Write logs one line. The runtime reports a failed invocation as JSON.
func (p printed) Write(line []byte) (int, error) {
	if text := bytes.TrimSpace(line); json.Valid(text) {
		p.log.Error().RawJSON("error", text).Msg("an invocation failed")
	} else {
		p.log.Warn().Msg(string(text))
	}
	return len(line), nil
}

// sdkLog is the log as the AWS SDK writes to it.
type sdkLog struct{ log zerolog.Logger }

var _ logging.ContextLogger = sdkLog{}

// Logf implements logging.Logger.
func (l sdkLog) Logf(class logging.Classification, format string, values ...any) {
	level := zerolog.WarnLevel
	if class == logging.Debug {
		level = zerolog.DebugLevel
	}
	l.log.WithLevel(level).Str("by", "aws sdk").Msg(fmt.Sprintf(format, values...))
}

// WithContext returns the log of the invocation that a call belongs to.
func (l sdkLog) WithContext(ctx context.Context) logging.Logger {
	if log := zerolog.Ctx(ctx); log.GetLevel() != zerolog.Disabled {
		return sdkLog{*log}
	}
	return l
}

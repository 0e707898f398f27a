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

// newLog makes the function's log: lines of JSON on w, from the level that the
// template names on, info where it names none.
//
// The level is applied here and nowhere else. Lambda could leave lines out too,
// but it takes every line without a level, such as those of the metrics, for one
// of level INFO (AWS Lambda documentation, log-level filtering); therefore the
// template has Lambda let everything through.
func newLog(w io.Writer) zerolog.Logger {
	level, err := zerolog.ParseLevel(strings.ToLower(os.Getenv(LogLevel)))
	if err != nil || level == zerolog.NoLevel {
		level = zerolog.InfoLevel
	}
	return zerolog.New(w).Level(level).With().Timestamp().Str("function", os.Getenv("AWS_LAMBDA_FUNCTION_NAME")).Logger()
}

// takeOver makes lines of log of what others print by Go's own logger: Lambda's
// runtime when an invocation fails, and net/http.
func takeOver(log zerolog.Logger) {
	stdlog.SetFlags(0)
	stdlog.SetOutput(printed{log})
}

// printed is what is printed by Go's own logger.
type printed struct{ log zerolog.Logger }

// Write logs one line. JSON is how the runtime says that an invocation failed.
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

// WithContext gives the log of the invocation that a call is part of.
func (l sdkLog) WithContext(ctx context.Context) logging.Logger {
	if log := zerolog.Ctx(ctx); log.GetLevel() != zerolog.Disabled {
		return sdkLog{*log}
	}
	return l
}

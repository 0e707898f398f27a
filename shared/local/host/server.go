package host

import (
	"context"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// The limits of a request. It must arrive within requestTime, and its headers within
// headerTime; else the connection is closed. maxHeaders is the limit of API Gateway (Amazon
// API Gateway quotas: request line and header values together), to which net/http adds
// 4 KiB.
const (
	headerTime  = 10 * time.Second
	requestTime = 30 * time.Second
	answerTime  = 2 * time.Minute
	idleTime    = 2 * time.Minute
	maxHeaders  = 10240
)

// NewServer makes an HTTP server with limits on the time and the headers of a request.
// Messages of net/http, such as a handler's panic, go to the log.
func NewServer(handler http.Handler, logger zerolog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ErrorLog: log.New(complaints{logger}, "", 0), MaxHeaderBytes: maxHeaders,
		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
	}
}

// EndServer lets requests end that are under way, and breaks off what is left
// after a time: mostly connections that were opened and never used.
func EndServer(server *http.Server, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}

// complaints writes the messages of a standard logger to our log.
type complaints struct{ log zerolog.Logger }

// Write implements io.Writer.
func (c complaints) Write(text []byte) (int, error) {
	c.log.Warn().Msg(strings.TrimSpace(string(text)))
	return len(text), nil
}

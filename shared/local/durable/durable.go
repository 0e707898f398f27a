// Package durable replaces files so that a reader finds either the complete old file or
// the complete new one, and the new one is still there after a power failure.
//
// A rename alone promises only the first: the name may reach the disk before the content,
// and then the file is empty after a power failure. So the file is synced before it is
// renamed, and the folder, which has the name, after that.
package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// sync flushes a file or a folder to the disk. It is a variable so that a test can
// see when it is called.
var sync = (*os.File).Sync

// Write replaces the file at path by one with the given content and mode.
func Write(path string, content []byte, mode fs.FileMode) error {
	return WriteFrom(path, mode, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	}, nil)
}

// WriteFrom replaces the file at path by a new one with what write writes. check, unless
// nil, is called with the name of the new file. If write, the sync or check fails, the old
// file stays and the new one is removed.
func WriteFrom(path string, mode fs.FileMode, write func(io.Writer) error, check func(fresh string) error) error {
	fresh, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = errors.Join(fresh.Chmod(mode), write(fresh))
	if err == nil {
		err = sync(fresh)
	}
	err = errors.Join(err, fresh.Close())
	if err == nil && check != nil {
		err = check(fresh.Name())
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return Rename(fresh.Name(), path)
}

// Rename renames a file that is synced already, and syncs the folder.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(to))
}

// SyncFolder flushes the names in a folder to the disk. Without it a new file may be gone
// after a power failure.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(sync(folder), folder.Close())
}

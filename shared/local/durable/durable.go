// Package durable replaces files so that a reader finds the old one or the new
// one, whole, and so that the new one is still there after the power failed.
//
// A rename alone promises only the first: the name may reach the disk before what
// was written under it, and then stands for an empty file. So the file is synced
// before it is renamed, and the folder, which holds the name, after that.
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

// Write replaces the file at path by one of the content and the mode.
func Write(path string, content []byte, mode fs.FileMode) error {
	return WriteFrom(path, mode, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	}, nil)
}

// WriteFrom replaces the file at path by what write writes. If that fails, or the
// file cannot be flushed, or check, unless nil, has something against the new file,
// the old one stays and nothing is left beside it.
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

// Rename gives a file that is on disk already another name, for good.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(to))
}

// SyncFolder flushes the names in a folder: a file that was made in it can be
// relied on only after that.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(sync(folder), folder.Close())
}

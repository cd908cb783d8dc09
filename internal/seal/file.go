package seal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// WriteFile writes data to path for the owner's eyes only, whole and durable
// when it returns nil, or not at all: a temporary file is written and synced,
// renamed over path, and the folder synced.
func WriteFile(path string, data []byte) error { return writeFile(path, data, os.Rename) }

// createFile is [WriteFile] for a path that may not exist yet; otherwise the
// error is fs.ErrExist and the file there stays as it is.
func createFile(path string, data []byte) error {
	return writeFile(path, data, func(temp, path string) error {
		err := os.Link(temp, path)
		return errors.Join(err, os.Remove(temp))
	})
}

func writeFile(path string, data []byte, place func(temp, path string) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = place(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Lock waits for the lock of the file path, which is made where there is none:
// alone, or shared with others that share it. It is held until unlock, or until
// the process ends.
func Lock(ctx context.Context, path string, shared bool) (unlock func(), err error) {
	fail := func(err error) (func(), error) {
		return nil, fmt.Errorf("waiting for another to release %s: %w", path, err)
	}
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fail(err)
	}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return fail(err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return fail(ctx.Err())
		case <-again.C:
		}
	}
}

// Inside reports whether path is dir or lies below it, symbolic links resolved
// on both sides. Neither needs to exist: what is missing is taken to be made
// where its nearest existing parent leads. It is how a seal key inside the data
// folder is refused.
func Inside(path, dir string) (bool, error) {
	p, err := resolve(path)
	if err != nil {
		return false, fmt.Errorf("resolve %s: %w", path, err)
	}
	d, err := resolve(dir)
	if err != nil {
		return false, fmt.Errorf("resolve %s: %w", dir, err)
	}
	rel, err := filepath.Rel(d, p)
	if err != nil {
		return false, err
	}
	if rel == "." || (rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))) {
		return true, nil
	}
	// The same folder under another name (a bind mount, another letter case) is
	// the same folder.
	info, err := os.Stat(d)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for up := filepath.Dir(p); ; up = filepath.Dir(up) {
		if i, err := os.Stat(up); err == nil && os.SameFile(i, info) {
			return true, nil
		}
		if up == filepath.Dir(up) {
			return false, nil
		}
	}
}

// resolve returns the absolute path with every link resolved, as far as it
// exists. A link that leads nowhere is an error: what it will lead to cannot be
// told.
func resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for up := abs; ; up = filepath.Dir(up) {
		real, err := filepath.EvalSymlinks(up)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || up == filepath.Dir(up) {
			return "", err
		}
		if _, lerr := os.Lstat(up); lerr == nil {
			return "", fmt.Errorf("%s is a link to something that does not exist", up)
		}
		rest = filepath.Join(filepath.Base(up), rest)
	}
}

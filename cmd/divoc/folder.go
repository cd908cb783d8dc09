package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/opendivoc/divoc/internal/intake/upload"
)

const (
	// settled is how long a file must not have changed to be whole: whoever puts
	// it there may still be writing.
	settled = 10 * time.Second
	// lookEvery is the time between two looks at a watched folder.
	lookEvery = 10 * time.Second

	doneFolder  = "done"  // where files go that were imported
	wrongFolder = "wrong" // where files go with wrong rows, their error files beside them
)

// folder imports the files of a folder, in the order of their names. Each is moved
// away when it was imported, so that what is there is what is left to do: killed at
// any moment, the same command goes on. Everything is done below the opened folder
// and no link is followed: others may write there.
func (in *importing) folder() error {
	root, err := os.OpenRoot(in.Path)
	if err != nil {
		return err
	}
	defer root.Close()
	lock, err := root.Open(".")
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another import works on %s: %w", in.Path, err)
	}
	d := &drop{importing: in, root: root, told: map[string]bool{}}
	if !in.DryRun {
		for _, name := range []string{doneFolder, wrongFolder} {
			if err := d.ensure(name); err != nil {
				return err
			}
		}
	}
	if in.Watch {
		return d.watch()
	}
	changing, err := d.round()
	if err == nil && changing {
		if err = pause(in.s.ctx, settled); err == nil {
			_, err = d.round()
		}
	}
	if err != nil {
		return err
	}
	for _, name := range d.changing {
		fmt.Fprintf(in.s.out, "%s is left: it is still being written\n", name)
	}
	if d.bad {
		return &exitError{code: exitFailed}
	}
	return nil
}

// drop is a folder into which files are dropped.
type drop struct {
	*importing

	root     *os.Root
	told     map[string]bool // what was said of entries that stay
	changing []string        // files that were still being written at the last look
	bad      bool            // something was wrong
	done     map[string]bool // in a dry run, files that were tried
}

// ensure makes a folder for files that were imported. Something else of its name
// is refused, a link to a folder too.
func (d *drop) ensure(name string) error {
	err := d.root.Mkdir(name, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := d.root.Lstat(name)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder: imported files are to go there", filepath.Join(d.Path, name))
	}
	return err
}

// watch imports what comes until it is told to stop. What fails is tried again at
// the next look.
func (d *drop) watch() error {
	fmt.Fprintf(d.s.err, "watching %s\n", d.Path)
	for d.s.ctx.Err() == nil {
		if _, err := d.round(); err != nil && d.s.ctx.Err() == nil {
			commandLog(d.s).Error("importing from a folder", slog.String("error", err.Error()))
		}
		_ = pause(d.s.ctx, lookEvery) // told to stop: the loop sees it
	}
	return nil
}

// entry is a file to import.
type entry struct {
	name string
	size int64
}

// round imports every file that is whole. changing says that there are others.
func (d *drop) round() (changing bool, err error) {
	files, err := d.look()
	if err != nil {
		return false, err
	}
	var all, before int64
	for _, f := range files {
		all += f.size
	}
	for i, f := range files {
		show := func(u upload.Info) {
			at := before
			if u.Bytes > 0 {
				at += f.size * u.BytesRead / u.Bytes
			}
			d.bar.at(at, all, u.State != upload.Processing, fmt.Sprintf("file %d of %d, %s: %s", i+1, len(files), f.name, counts(u)))
		}
		if err := d.take(f, show); err != nil {
			return false, fmt.Errorf("%s: %w", f.name, err)
		}
		before += f.size
	}
	if len(files) > 0 {
		d.bar.at(all, all, true, fmt.Sprintf("%d of %[1]d files", len(files)))
		d.bar.end()
	}
	return len(d.changing) > 0, nil
}

// partial reports whether a name is that of a file on its way.
func partial(name string) bool {
	lower := strings.ToLower(name)
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") ||
		slices.ContainsFunc([]string{".part", ".tmp", ".filepart", ".partial", ".crdownload"}, func(end string) bool { return strings.HasSuffix(lower, end) })
}

// look lists the files that are whole, by name, and says once what of the others
// is no file.
func (d *drop) look() ([]entry, error) {
	list, err := fs.ReadDir(d.root.FS(), ".") // sorted by name
	if err != nil {
		return nil, err
	}
	d.changing = nil
	var out []entry
	for _, e := range list {
		name := e.Name()
		if partial(name) || e.IsDir() || d.done[name] {
			continue
		}
		if !e.Type().IsRegular() {
			d.once(name, "is a link or no file and is not read: put the file itself here")
			continue
		}
		info, err := d.root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was taken back just now
		}
		if err != nil {
			return nil, err
		}
		if age := now().Sub(info.ModTime()); age < settled {
			d.changing = append(d.changing, name)
			continue
		}
		out = append(out, entry{name, info.Size()})
	}
	return out, nil
}

// once says something of an entry that stays where it is.
func (d *drop) once(name, what string) {
	d.bad = true
	if !d.told[name] {
		d.told[name] = true
		fmt.Fprintf(d.s.out, "%s %s\n", name, what)
	}
}

// take imports one file and moves it away.
func (d *drop) take(f entry, show func(upload.Info)) error {
	file, err := d.root.OpenFile(f.name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			d.once(f.name, "cannot be read by this user: let its sender's group have it")
			return nil
		}
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		d.once(f.name, "is a link or no file and is not read: put the file itself here")
		return nil
	}
	fmt.Fprintf(d.s.out, "%s\n", f.name)
	u, known, err := d.known(file, f.name)
	switch {
	case err != nil:
	case known && u.State != upload.Processing:
		fmt.Fprintf(d.s.out, "the same file as upload %d of %s: %s\n", u.ID, u.Created.Format("2006-01-02 15:04"), counts(u))
	case known:
		u, err = d.finish(u, show) // of an import that was stopped
	default:
		u, err = d.file(file, f.name, show)
	}
	switch {
	case err != nil && !refused(err):
		return err
	case d.DryRun:
		if d.done == nil {
			d.done = map[string]bool{}
		}
		d.done[f.name] = true
		d.bad = d.bad || err != nil || u.Wrong > 0 || u.State == upload.Failed
		if err != nil {
			fmt.Fprintln(d.s.out, err)
		}
		return nil
	case err != nil:
		fmt.Fprintln(d.s.out, err)
		return d.toWrong(f.name, f.name+".errors.txt", func(w io.Writer) error {
			_, failed := fmt.Fprintln(w, err)
			return failed
		})
	case u.State == upload.Failed && u.Wrong == 0:
		return d.toWrong(f.name, f.name+".errors.txt", func(w io.Writer) error {
			_, err := fmt.Fprintln(w, u.Problem)
			return err
		})
	case u.State == upload.Failed || u.Wrong > 0:
		return d.toWrong(f.name, errorsName(f.name, u.Format), func(w io.Writer) error { return d.uploads.WriteErrors(d.s.ctx, d.by, u, w) })
	}
	return d.move(f.name, doneFolder)
}

// known finds the upload that a file was imported as before: a file that an import
// was stopped at, or one that was dropped again. One that had wrong rows is looked
// at again, as what was wrong may be right now.
func (d *drop) known(file io.ReadSeeker, name string) (upload.Info, bool, error) {
	if d.DryRun {
		return upload.Info{}, false, nil
	}
	f, err := d.describe(name)
	if err != nil {
		return upload.Info{}, false, err
	}
	f.Body = file
	u, known, err := d.uploads.Known(d.s.ctx, d.by, f)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	again := u.State == upload.Failed || u.State == upload.Done && u.Wrong > 0
	return u, known && !again, err
}

// toWrong writes what is wrong with a file and moves it there too. The words come
// first: should the file not follow, it is imported again, which issues nothing
// twice.
func (d *drop) toWrong(name, errorsName string, write func(io.Writer) error) error {
	d.bad = true
	if err := d.ensure(wrongFolder); err != nil {
		return err
	}
	path := filepath.Join(wrongFolder, errorsName)
	for n := 2; ; n++ {
		file, err := d.root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
		if errors.Is(err, fs.ErrExist) {
			path = filepath.Join(wrongFolder, numbered(errorsName, n))
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(write(file), file.Sync(), file.Close()); err != nil {
			return errors.Join(err, d.root.Remove(path))
		}
		break
	}
	fmt.Fprintf(d.s.out, "what is wrong: %s\n", filepath.Join(d.Path, path))
	return d.move(name, wrongFolder)
}

// numbered is a name with a number: "people.csv" → "people.2.csv".
func numbered(name string, n int) string {
	ext := filepath.Ext(name)
	return fmt.Sprintf("%s.%d%s", strings.TrimSuffix(name, ext), n, ext)
}

// move moves a file into a folder, under another name where there is one of its
// own already. The import alone writes in that folder and is alone here, so what
// is not there does not come between.
func (d *drop) move(name, folder string) error {
	if err := d.ensure(folder); err != nil {
		return err
	}
	to := name
	for n := 2; ; n++ {
		_, err := d.root.Lstat(filepath.Join(folder, to))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return err
		}
		to = numbered(name, n)
	}
	return d.root.Rename(name, filepath.Join(folder, to))
}

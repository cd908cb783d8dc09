package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/internal/strictyaml"
	"github.com/opendivoc/divoc/profiles"
)

const maxFile = 1 << 20 // bytes of one file of a profile

// Open reads a profile: one that is shipped, by its name ("jamaica"), or a
// folder ("./atlantis"). The error names every fault with file and line.
func Open(nameOrDir string) (*Profile, error) {
	if !strings.ContainsAny(nameOrDir, `/\.`) && nameOrDir != "" {
		if dir, err := fs.Sub(profiles.FS, nameOrDir); err == nil {
			if _, err := fs.Stat(dir, "profile.yaml"); err == nil {
				return read(dir, nameOrDir, path.Join("profiles", nameOrDir))
			}
		}
	}
	if info, err := os.Stat(nameOrDir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("there is no profile %q: name a shipped one (%s) or a folder with a profile.yaml", nameOrDir, strings.Join(Shipped(), ", "))
	}
	abs, err := filepath.Abs(nameOrDir)
	if err != nil {
		return nil, err
	}
	return read(os.DirFS(nameOrDir), filepath.Base(abs), nameOrDir)
}

// Shipped returns the names of the profiles that come with the program, sorted.
func Shipped() []string {
	entries, err := profiles.FS.ReadDir(".")
	if err != nil {
		return nil // embedded: cannot be
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// read loads and checks the profile in dir. shown is the folder as errors name it.
func read(dir fs.FS, name, shown string) (*Profile, error) {
	text, err := readFile(dir, "profile.yaml")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shown, err)
	}
	p := &Profile{Name: name, Layouts: map[string][]byte{}}
	if p.Catalogue, err = catalogue.Load(); err != nil {
		return nil, err
	}
	if extra, err := readFile(dir, "catalogue.json"); err == nil {
		if p.Catalogue, err = p.Catalogue.With(extra); err != nil {
			return nil, fmt.Errorf("%s: %w", path.Join(shown, "catalogue.json"), err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", shown, err)
	}
	layouts, err := fs.Glob(dir, "layouts/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, file := range layouts {
		b, err := readFile(dir, file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", shown, err)
		}
		p.Layouts[strings.TrimSuffix(path.Base(file), ".yaml")] = b
	}
	f := strictyaml.New(path.Join(shown, "profile.yaml"))
	var doc document
	if f.Decode(text, &doc) {
		p.take(&doc, dir, f)
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	if err := p.readSamples(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", path.Join(shown, "samples.json"), err)
	}
	return p, nil
}

// readSamples reads the synthetic people, if there are any.
func (p *Profile) readSamples(dir fs.FS) error {
	b, err := readFile(dir, "samples.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p.Samples); err != nil {
		return err
	}
	for i, e := range p.Samples {
		if _, ok := p.Programme(e.Programme, ""); !ok {
			return fmt.Errorf("record %d: there is no programme %q", i+1, e.Programme)
		}
	}
	return nil
}

func readFile(dir fs.FS, name string) ([]byte, error) {
	file, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return b, err
}

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/internal/pgserver"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/internal/trustlist"
	"github.com/opendivoc/divoc/trust"
)

// dataFlags say where everything is kept.
type dataFlags struct {
	Data     string `required:"" type:"path" env:"DIVOC_DATA" placeholder:"DIR" help:"Folder that holds keys and, unless DIVOC_DATABASE_URL is set, the database."`
	SealKey  string `type:"path" env:"DIVOC_SEAL_KEY" placeholder:"FILE" help:"Key that seals personal data and signing keys; kept outside the data folder. Make one: divoc keys seal-key -o FILE. A demonstration needs none."`
	Database string `env:"DIVOC_DATABASE_URL" placeholder:"URL" help:"PostgreSQL to use in place of the embedded one."`
}

// createFlags are what the first start on a folder decides.
type createFlags struct {
	Profile   string `env:"DIVOC_PROFILE" placeholder:"NAME|DIR" help:"Country: jamaica, sri-lanka, or a folder. Needed at the first start; remembered."`
	PublicURL string `name:"public-url" env:"DIVOC_PUBLIC_URL" placeholder:"URL" help:"Permanent address that certificates point to. Needed at the first start; can never change."`
	Demo      bool   `env:"DIVOC_DEMO" help:"A demonstration with synthetic people: everything says SPECIMEN, nothing needs setting up."`
}

// What a data folder holds.
const (
	postgresFolder = "postgres"
	keysFolder     = "keys"
	demoSealKey    = "seal.key" // a demonstration's own
)

// house is an opened data folder: database, keys, profile, and the service on
// top of them.
type house struct {
	dir       string
	server    *pgserver.Server // nil with a database of its own
	store     *registry.Store
	box       *seal.Box
	ring      *keyring.Ring
	profile   *profile.Profile
	publicURL string
	demo      bool
	service   *issuance.Service
	outbox    *deliver.Service // see messages
	trusted   *trustlist.Service
	log       *slog.Logger
}

func now() time.Time { return time.Now() }

// defaultListen is where the server listens when nothing is said.
const defaultListen = "127.0.0.1:8080"

// opening says what a command may do to a data folder.
type opening int

const (
	existing  opening = iota // use what a server made, also beside a running one
	creating                 // make the folder too
	exclusive                // be the one server on it
)

// openStore opens the database of a data folder: the one given, the embedded one
// of a running server, or an embedded one of this command's own.
func openStore(ctx context.Context, f dataFlags, log *slog.Logger, as opening) (*house, error) {
	h := &house{dir: f.Data, log: log}
	if fileExists(filepath.Join(f.Data, restoring)) {
		return nil, errRestoring(f.Data)
	}
	if as == existing && f.Database == "" {
		if _, err := os.Stat(filepath.Join(f.Data, postgresFolder)); err != nil {
			return nil, fmt.Errorf("%s holds no data of divoc: start `divoc serve --data %s` first", f.Data, f.Data)
		}
	}
	if err := os.MkdirAll(f.Data, 0o700); err != nil {
		return nil, err
	}
	databaseURL := f.Database
	if databaseURL == "" {
		open := pgserver.Open
		if as == exclusive {
			open = pgserver.Start // a second server on one folder is refused
		}
		var err error
		if h.server, err = open(ctx, pgserver.Options{Dir: filepath.Join(f.Data, postgresFolder), Logger: log}); err != nil {
			return nil, err
		}
		databaseURL = h.server.URL()
	}
	err := registry.Migrate(ctx, databaseURL)
	if err == nil {
		h.store, err = registry.Open(ctx, databaseURL)
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// close stops what was started; an embedded database of a running server stays.
func (h *house) close() {
	if h.store != nil {
		h.store.Close()
	}
	if h.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := h.server.Stop(ctx); err != nil {
			h.log.Error("stopping PostgreSQL", slog.String("error", err.Error()))
		}
	}
}

// tokens are the API tokens of the house.
func (h *house) tokens() access.Tokens {
	return access.Tokens{Store: h.store, Now: now, Random: rand.Reader}
}

// openHouse opens everything. c says how a command that may make the folder
// (serve, issue, keys init) makes it; it is nil for every other. listen is the
// address of the one server on the folder, "" for every other command.
func openHouse(ctx context.Context, f dataFlags, c *createFlags, listen string, log *slog.Logger) (*house, error) {
	as := existing
	switch {
	case listen != "":
		as = exclusive
	case c != nil:
		as = creating
	}
	if f.SealKey != "" {
		if inside, err := seal.Inside(f.SealKey, f.Data); err != nil {
			return nil, err
		} else if inside {
			return nil, errInside()
		}
	}
	// What can be refused by the flags alone is refused before a folder is made.
	if c != nil && f.Database == "" && !fileExists(filepath.Join(f.Data, postgresFolder)) {
		if err := refuse(f, c, listen); err != nil {
			return nil, err
		}
	}
	h, err := openStore(ctx, f, log, as)
	if err != nil {
		return nil, err
	}
	if err := h.settle(ctx, f, c, listen); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func errInside() error {
	return errors.New("the sealing key lies inside the data folder: whoever copies the folder could read everything; move it elsewhere")
}

// openKeys opens the sealing key, the keyset and the signing keys.
func (h *house) openKeys(ctx context.Context, f dataFlags, create bool) error {
	key, err := h.sealKey(f, create)
	if err != nil {
		return err
	}
	dir := filepath.Join(h.dir, keysFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if h.box, err = seal.Open(key, dir, seal.Options{Create: create}); err != nil {
		return err
	}
	did, err := trust.DIDWeb(h.publicURL)
	if err != nil {
		return err
	}
	h.ring, err = keyring.Open(ctx, keyring.Options{
		Dir: dir, Box: h.box, Demo: h.demo, Create: create, Now: now, Random: rand.Reader, DIVOC: keyring.DIVOCAlgorithm(h.profile.DIVOCKey),
		Identity: keyring.Identity{DID: did, Country: h.profile.Country.Alpha2, Name: h.profile.IssuerName("en")},
	})
	if err != nil {
		return err
	}
	if h.ring.Demo() != h.demo {
		return errors.New("the signing keys belong to a demonstration and the folder does not, or the other way round")
	}
	return nil
}

// ensureDIVOC makes the key of DIVOC's format where the profile asks for it and
// there is none yet.
func (h *house) ensureDIVOC(ctx context.Context) error {
	ensure := func() error { return h.ring.EnsureDIVOC(ctx) }
	if !h.ring.NeedsDIVOC() {
		return ensure() // it says whether the key there is fits
	}
	return h.audited(ctx, "keys.make", profile.PayloadDIVOC, ensure)
}

// sealKey reads the sealing key. A demonstration keeps its own in the folder.
func (h *house) sealKey(f dataFlags, create bool) ([]byte, error) {
	path := f.SealKey
	if path == "" {
		if !h.demo {
			return nil, errors.New("give the sealing key: --seal-key FILE (divoc keys seal-key -o FILE makes one; keep it outside the data folder and never lose it)")
		}
		path = filepath.Join(h.dir, demoSealKey)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && create {
			key, err := seal.GenerateKey(rand.Reader)
			if err != nil {
				return nil, err
			}
			if err := seal.WriteFile(path, key); err != nil {
				return nil, err
			}
		}
	}
	key, err := readSealKey(path)
	if errors.Is(err, os.ErrNotExist) && !create {
		return nil, fmt.Errorf("there is no sealing key %s: put it back from a backup, or for a new folder make one with `divoc keys seal-key -o FILE`", path)
	}
	return key, err
}

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/internal/pgserver"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/trust"
)

// dataFlags say where everything is kept.
type dataFlags struct {
	Data     string `required:"" type:"path" env:"DIVOC_DATA" help:"Folder that holds keys and, unless DIVOC_DATABASE_URL is set, the database."`
	SealKey  string `type:"path" env:"DIVOC_SEAL_KEY" placeholder:"FILE" help:"Key that seals personal data and signing keys; kept outside the data folder. Make one: divoc keys seal-key -o FILE. A demonstration needs none."`
	Database string `env:"DIVOC_DATABASE_URL" placeholder:"URL" help:"PostgreSQL to use in place of the embedded one."`
}

// createFlags are what the first start on a folder decides.
type createFlags struct {
	Profile   string `env:"DIVOC_PROFILE" placeholder:"NAME|DIR" help:"Country: jamaica, sri-lanka, or a folder. Needed at the first start; remembered."`
	PublicURL string `name:"public-url" env:"DIVOC_PUBLIC_URL" placeholder:"URL" help:"Permanent address that certificates point to. Needed at the first start; can never change."`
	Demo      bool   `env:"DIVOC_DEMO" help:"A demonstration with synthetic people: everything says SPECIMEN, nothing needs setting up."`
}

// The names of settings.
const (
	settingMode      = "mode" // demo or production
	settingPublicURL = "public_url"
	settingCountry   = "country"
	settingProfile   = "profile"
	settingKeyset    = "keyset" // "made" once there are keys
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
	if as == existing && f.Database == "" {
		if _, err := os.Stat(filepath.Join(f.Data, "postgres")); err != nil {
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
		if h.server, err = open(ctx, pgserver.Options{Dir: filepath.Join(f.Data, "postgres"), Logger: log}); err != nil {
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

func (h *house) setting(ctx context.Context, name string) (string, error) {
	v, err := h.store.Read().GetSetting(ctx, name)
	if registry.IsNone(err) {
		return "", nil
	}
	return v, err
}

// once gives a setting its value for ever and says what it is.
func (h *house) once(ctx context.Context, name, value string) (string, error) {
	if value == "" {
		return h.setting(ctx, name)
	}
	return h.store.Read().PutSettingOnce(ctx, query.PutSettingOnceParams{Name: name, Value: value})
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
			return nil, errors.New("the sealing key lies inside the data folder: whoever copies the folder could read everything; move it elsewhere")
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

// settle reads what was decided for the folder, decides the rest, and opens
// profile, keys and service.
func (h *house) settle(ctx context.Context, f dataFlags, c *createFlags, listen string) error {
	if err := h.settleMode(ctx, c); err != nil {
		return err
	}
	if err := h.settleProfile(ctx, c); err != nil {
		return err
	}
	if err := h.settlePublicURL(ctx, c, listen); err != nil {
		return err
	}
	made, err := h.setting(ctx, settingKeyset)
	if err != nil {
		return err
	}
	if made == "" && c == nil {
		return fmt.Errorf("%s holds no keys yet: start `divoc serve --data %s` first, or run `divoc keys init`", h.dir, h.dir)
	}
	if err := h.openKeys(ctx, f, made == ""); err != nil {
		return err
	}
	if _, err := h.once(ctx, settingKeyset, "made"); err != nil {
		return err
	}
	h.service = issuance.New(issuance.Options{
		Store: h.store, Box: h.box, Keys: h.ring, Profile: h.profile, PublicURL: h.publicURL,
		Specimen: h.demo, Now: now, Random: rand.Reader, Log: h.log,
	})
	return nil
}

func (h *house) settleMode(ctx context.Context, c *createFlags) error {
	want := ""
	if c != nil {
		want = "production"
		if c.Demo {
			want = "demo"
		}
	}
	mode, err := h.once(ctx, settingMode, want)
	switch {
	case err != nil:
		return err
	case mode == "":
		return fmt.Errorf("%s was never started: start `divoc serve --data %s` first", h.dir, h.dir)
	case want != "" && mode != want && mode == "demo":
		return errors.New("this folder belongs to a demonstration: add --demo, or use another folder for real certificates")
	case want != "" && mode != want:
		return errors.New("this folder holds real certificates: leave out --demo, or use another folder for a demonstration")
	}
	h.demo = mode == "demo"
	return nil
}

func (h *house) settleProfile(ctx context.Context, c *createFlags) error {
	name, err := h.setting(ctx, settingProfile)
	if err != nil {
		return err
	}
	if c != nil && c.Profile != "" {
		name = c.Profile
		if strings.ContainsRune(name, os.PathSeparator) || strings.HasPrefix(name, ".") {
			if name, err = filepath.Abs(name); err != nil {
				return err
			}
		}
	}
	if name == "" {
		return errors.New("say which country this is: --profile jamaica, --profile sri-lanka, or --profile FOLDER")
	}
	if h.profile, err = profile.Open(name); err != nil {
		return err
	}
	country, err := h.once(ctx, settingCountry, h.profile.Country.Alpha3)
	if err != nil {
		return err
	}
	if country != h.profile.Country.Alpha3 {
		return fmt.Errorf("this folder issues for %s and cannot change to %s: use another folder", country, h.profile.Country.Alpha3)
	}
	return h.store.Read().PutSetting(ctx, query.PutSettingParams{Name: settingProfile, Value: name})
}

func (h *house) settlePublicURL(ctx context.Context, c *createFlags, listen string) error {
	want := ""
	if c != nil {
		want = strings.TrimRight(c.PublicURL, "/")
		if want == "" && c.Demo {
			if listen == "" {
				listen = defaultListen
			}
			want = "http://" + strings.Replace(listen, "127.0.0.1", "localhost", 1)
			if strings.HasPrefix(listen, ":") {
				want = "http://localhost" + listen
			}
		}
	}
	if want != "" {
		u, err := url.Parse(want)
		if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && (!h.demo || u.Scheme != "http") {
			return errors.New("--public-url is the permanent address of the service, such as https://certificates.example.org, with https and without a query")
		}
	}
	stored, err := h.once(ctx, settingPublicURL, want)
	switch {
	case err != nil:
		return err
	case stored == "":
		return errors.New("say under which permanent address certificates are published: --public-url https://… (it becomes part of every certificate)")
	case want != "" && stored != want && c.PublicURL != "":
		return fmt.Errorf("certificates of this folder point to %s, which can never change: leave out --public-url or give this one", stored)
	}
	h.publicURL = stored
	return nil
}

// openKeys opens the sealing key, the keyset and the signing keys.
func (h *house) openKeys(ctx context.Context, f dataFlags, create bool) error {
	key, err := h.sealKey(f, create)
	if err != nil {
		return err
	}
	dir := filepath.Join(h.dir, "keys")
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
		Dir: dir, Box: h.box, Demo: h.demo, Create: create, Now: now, Random: rand.Reader,
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

// sealKey reads the sealing key. A demonstration keeps its own in the folder.
func (h *house) sealKey(f dataFlags, create bool) ([]byte, error) {
	path := f.SealKey
	if path == "" {
		if !h.demo {
			return nil, errors.New("give the sealing key: --seal-key FILE (divoc keys seal-key -o FILE makes one; keep it outside the data folder and never lose it)")
		}
		path = filepath.Join(h.dir, "seal.key")
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
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the sealing key: %w", err)
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, 64<<10))
}

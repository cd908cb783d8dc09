package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
)

// The names of settings.
const (
	settingMode      = "mode" // demo or production
	settingPublicURL = "public_url"
	settingCountry   = "country"
	settingProfile   = "profile"
	settingKeyset    = "keyset" // "made" once there are keys
)

// refuse says what is wrong with the flags of a first start on f.
func refuse(f dataFlags, c *createFlags, listen string) error {
	h := &house{dir: f.Data}
	if _, err := h.decide(map[string]string{}, c, listen); err != nil {
		return err
	}
	if h.demo && f.SealKey == "" {
		return nil // it makes its own
	}
	key, err := h.sealKey(f, false)
	if err != nil {
		return err
	}
	return seal.CheckKey(key)
}

// settle reads what was decided for the folder, decides the rest, and opens
// profile, keys and service. A start that is refused decides nothing.
func (h *house) settle(ctx context.Context, f dataFlags, c *createFlags, listen string) error {
	stored, err := h.settings(ctx)
	if err != nil {
		return err
	}
	decided, err := h.decide(stored, c, listen)
	if err != nil {
		return err
	}
	if stored[settingKeyset] == "" && c == nil {
		return fmt.Errorf("%s holds no keys yet: start `divoc serve --data %s` first, or run `divoc keys init`", h.dir, h.dir)
	}
	if err := h.openKeys(ctx, f, stored[settingKeyset] == ""); err != nil {
		return err
	}
	if c != nil { // who may make keys makes also what the profile asks for by now
		if err := h.ensureDIVOC(ctx); err != nil {
			return err
		}
	}
	decided[settingKeyset] = "made"
	if err := h.remember(ctx, stored, decided); err != nil {
		return err
	}
	h.service = issuance.New(issuance.Options{
		Store: h.store, Box: h.box, Keys: h.ring, Profile: h.profile, PublicURL: h.publicURL,
		Specimen: h.demo, Now: now, Random: rand.Reader, Log: h.log, VerifierHash: sync.OnceValue(verifierHash),
	})
	h.service.Tell = h.messages().Tell
	h.trust()
	return nil
}

// settings reads what was decided for the folder.
func (h *house) settings(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range []string{settingMode, settingPublicURL, settingCountry, settingProfile, settingKeyset} {
		v, err := h.store.Read().GetSetting(ctx, name)
		if err != nil && !registry.IsNone(err) {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

// remember writes what was decided. All but the profile, which the next version
// of it replaces, is decided for ever. What is new is told to the audit.
func (h *house) remember(ctx context.Context, stored, decided map[string]string) error {
	return h.store.Tx(ctx, func(q *query.Queries) error {
		var news []registry.Entry
		for _, name := range slices.Sorted(maps.Keys(decided)) {
			if stored[name] != decided[name] {
				news = append(news, registry.Entry{Chain: registry.AdminChain, Act: registry.ActSetting, Object: name, Detail: decided[name]})
			}
		}
		if len(news) > 0 {
			if err := registry.Audit(ctx, q, now().UTC(), access.System("start").Actor, news...); err != nil {
				return err
			}
		}
		for _, name := range slices.Sorted(maps.Keys(decided)) {
			if name == settingProfile {
				if err := q.PutSetting(ctx, query.PutSettingParams{Name: name, Value: decided[name]}); err != nil {
					return err
				}
				continue
			}
			is, err := q.PutSettingOnce(ctx, query.PutSettingOnceParams{Name: name, Value: decided[name]})
			if err != nil {
				return err
			}
			if is != decided[name] {
				return errors.New("another divoc was started on this folder for the first time just now: start again")
			}
		}
		return nil
	})
}

// decide says what holds for the folder, by what is stored and the flags, and
// takes it over into h. It writes nothing.
func (h *house) decide(stored map[string]string, c *createFlags, listen string) (map[string]string, error) {
	out := map[string]string{}
	for _, step := range []func(stored, out map[string]string, c *createFlags, listen string) error{h.decideMode, h.decideProfile, h.decidePublicURL} {
		if err := step(stored, out, c, listen); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (h *house) decideMode(stored, out map[string]string, c *createFlags, _ string) error {
	mode, want := stored[settingMode], ""
	if c != nil {
		want = "production"
		if c.Demo {
			want = "demo"
		}
	}
	switch {
	case mode == "" && want == "":
		return fmt.Errorf("%s was never started: start `divoc serve --data %s` first", h.dir, h.dir)
	case mode == "":
		mode = want
	case want != "" && mode != want && mode == "demo":
		return errors.New("this folder belongs to a demonstration: add --demo, or use another folder for real certificates")
	case want != "" && mode != want:
		return errors.New("this folder holds real certificates: leave out --demo, or use another folder for a demonstration")
	}
	h.demo = mode == "demo"
	out[settingMode] = mode
	return nil
}

func (h *house) decideProfile(stored, out map[string]string, c *createFlags, _ string) (err error) {
	name := stored[settingProfile]
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
	country := h.profile.Country.Alpha3
	if before := stored[settingCountry]; before != "" && before != country {
		return fmt.Errorf("this folder issues for %s and cannot change to %s: use another folder", before, country)
	}
	out[settingProfile], out[settingCountry] = name, country
	return nil
}

func (h *house) decidePublicURL(stored, out map[string]string, c *createFlags, listen string) error {
	before, want := stored[settingPublicURL], ""
	if c != nil {
		want = strings.TrimRight(c.PublicURL, "/")
	}
	if want == "" && before == "" && c != nil && c.Demo {
		want = demoURL(listen)
	}
	if want != "" {
		u, err := url.Parse(want)
		if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && (!h.demo || u.Scheme != "http") {
			return errors.New("--public-url is the permanent address of the service, such as https://certificates.example.org, with https and without a query")
		}
	}
	switch {
	case before == "" && want == "":
		return errors.New("say under which permanent address certificates are published: --public-url https://… (it becomes part of every certificate)")
	case before != "" && want != "" && before != want:
		return fmt.Errorf("certificates of this folder point to %s, which can never change: leave out --public-url or give this one", before)
	case before != "":
		want = before
	}
	h.publicURL = want
	out[settingPublicURL] = want
	return nil
}

// demoURL is the address of a demonstration that was given none.
func demoURL(listen string) string {
	if listen == "" {
		listen = defaultListen
	}
	if strings.HasPrefix(listen, ":") {
		return "http://localhost" + listen
	}
	return "http://" + strings.Replace(listen, "127.0.0.1", "localhost", 1)
}

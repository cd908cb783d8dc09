package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/backup"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/pgserver"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/internal/trustlist"
	"github.com/opendivoc/divoc/trust"
)

type restoreCmd struct {
	From string `arg:"" optional:"" type:"existingdir" help:"Folder of the backup to bring back."`
	dataFlags
	Keys       string   `type:"path" placeholder:"FILE" help:"Where the backup's keys.tar is kept, when that is elsewhere."`
	Reconcile  bool     `help:"Second step: find out what was published after the backup, then issue and publish again."`
	Published  []string `placeholder:"URL|FILE|DIR" sep:"none" help:"Where that is found: an address with this service's paths (a cache, a mirror), or copies of trust bundle and status lists. May be given more than once."`
	AcceptLoss string   `placeholder:"REASON" help:"Go on with less than what was published, or nothing. What was withdrawn after the backup may be valid again; the reason is kept in the audit."`
}

// restoring marks a data folder whose restore was not finished; it holds the
// name of the backup.
const restoring = "restore.unfinished"

// errRestoring refuses a folder whose restore was not finished.
func errRestoring(dir string) error {
	return fmt.Errorf("a restore into %s was not finished: run the same `divoc restore` again", dir)
}

// Run restores, or reconciles what was restored.
func (c *restoreCmd) Run(s streams) error {
	second := c.Reconcile || c.AcceptLoss != ""
	switch {
	case c.From == "" && !second:
		return errors.New("say which backup to bring back: divoc restore FOLDER --data DIR")
	case c.From != "" && second:
		return errors.New("two steps: first divoc restore FOLDER, then divoc restore --reconcile")
	case second && len(c.Published) == 0 && c.AcceptLoss == "":
		return errors.New("say where to find what was published: --published https://… or a folder with trust.json and the status lists; or go on without, with --accept-loss REASON")
	case second:
		return c.reconcile(s)
	}
	return c.restore(s)
}

func (c *restoreCmd) restore(s streams) error {
	b, err := backup.Open(c.From, c.Keys)
	if err != nil {
		return err
	}
	key, err := c.sealKey(b)
	if err != nil {
		return err
	}
	if err := b.Authenticate(key); err != nil {
		return err
	}
	if err := b.Check(); err != nil {
		return err
	}
	resumed, err := c.claim(s.ctx, b)
	if err != nil {
		return err
	}
	if resumed {
		fmt.Fprintln(s.err, "an earlier restore of this backup was not finished: it goes on")
	}
	if err := c.load(s, b); err != nil {
		return fmt.Errorf("%w\n%s is not finished: run the same command again", err, c.Data)
	}
	keys := filepath.Join(c.Data, keysFolder)
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return err
	}
	if err := b.WriteKeys(keys); err != nil {
		return err
	}
	if b.Manifest.Demo {
		if err := seal.WriteFile(filepath.Join(c.Data, demoSealKey), key); err != nil {
			return err
		}
	}
	if err := errors.Join(os.Remove(filepath.Join(c.Data, restoring)), syncDir(c.Data)); err != nil {
		return err
	}
	fmt.Fprintf(s.out, `%s is brought back to %s: %d certificates of %d people.

It is on hold. It reads and verifies, but issues and publishes nothing until it
knows what was published after the backup. Next:

  divoc restore --reconcile --data %[1]s --published URL|FILE|DIR

where URL is a cache or mirror of what was published, or FILE and DIR are copies
of trust bundle and status lists. API tokens are as they were then: look through
divoc token list, and revoke again what was revoked since. Messages that waited
then may have been sent since: divoc message list --state unknown shows them, and
divoc message resend sends one again. Trust lists are as they were then, and their
age says so: divoc trust list.
`, c.Data, b.Manifest.Made.Local().Format("2006-01-02 15:04:05 MST"), b.Manifest.Rows("certificate"), b.Manifest.Rows("person"))
	return nil
}

func (c *restoreCmd) sealKey(b *backup.Backup) ([]byte, error) {
	if c.SealKey == "" {
		return nil, errors.New("give the sealing key that was in use when the backup was made: --seal-key FILE (a demonstration has it in its folder, as " + demoSealKey + ")")
	}
	if inside, err := seal.Inside(c.SealKey, c.Data); err != nil {
		return nil, err
	} else if inside && !b.Manifest.Demo {
		return nil, errInside()
	}
	return readSealKey(c.SealKey)
}

// claim makes the data folder for this restore. It takes an empty folder and an
// empty database only, or those that the same restore left unfinished.
func (c *restoreCmd) claim(ctx context.Context, b *backup.Backup) (resumed bool, err error) {
	mark := filepath.Join(c.Data, restoring)
	before, err := os.ReadFile(mark)
	if err == nil {
		if string(before) != b.Manifest.ID() {
			return false, fmt.Errorf("%s holds an unfinished restore of another backup: use another folder", c.Data)
		}
		return true, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	entries, err := os.ReadDir(c.Data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if len(entries) > 0 {
		return false, fmt.Errorf("%s is not empty: a backup is brought back into an empty folder only", c.Data)
	}
	if c.Database != "" {
		empty, err := backup.Empty(ctx, c.Database)
		if err != nil {
			return false, fmt.Errorf("the database: %w", err)
		}
		if !empty {
			return false, errors.New("the database is not empty: a backup is brought back into an empty one only")
		}
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return false, err
	}
	return false, seal.WriteFile(mark, []byte(b.Manifest.ID()))
}

func (c *restoreCmd) load(s streams, b *backup.Backup) error {
	url := c.Database
	if url == "" {
		server, err := pgserver.Start(s.ctx, pgserver.Options{Dir: filepath.Join(c.Data, postgresFolder), Logger: commandLog(s)})
		if err != nil {
			return err
		}
		h := &house{server: server, log: commandLog(s)}
		defer h.close()
		url = server.URL()
	}
	return b.Load(s.ctx, url, access.System("cli").Actor, now())
}

func (c *restoreCmd) reconcile(s streams) error {
	return c.with(s, func(h *house) error {
		if hold, err := h.service.Hold(s.ctx); err == nil && hold == nil {
			return errors.New("nothing is on hold here: this folder was not restored, or it is reconciled already")
		}
		published := h.service.NewPublished()
		if err := c.find(s.ctx, published); err != nil {
			return err
		}
		r, err := h.service.Reconcile(s.ctx, access.System("cli"), published, c.AcceptLoss)
		if err != nil {
			return err
		}
		if r.AsOf.IsZero() {
			fmt.Fprintln(s.out, "nothing that was published was found.")
		} else {
			fmt.Fprintf(s.out, "found what was published as of %s; what was withdrawn later is not known.\n", r.AsOf.Local().Format("2006-01-02 15:04:05 MST"))
		}
		fmt.Fprintf(s.out, "certificates brought to the state published: %d revoked, %d superseded, %d suspended\n", r.Revoked, r.Superseded, r.Suspended)
		fmt.Fprintf(s.out, "withdrawn and lost here, published on as withdrawn: %d positions of status lists, %d certificates of the trust bundle\n", r.LostPositions, r.LostCertificates)
		if r.LostKeys > 0 {
			fmt.Fprintf(s.out, "%d signing keys were made after the backup; they are known as retired now\n", r.LostKeys)
		}
		if len(r.StillSuspended) > 0 {
			fmt.Fprintf(s.out, "%d certificates are suspended here and were not any more when that was published; lift those that may stand:\n", len(r.StillSuspended))
			for _, id := range r.StillSuspended[:min(len(r.StillSuspended), 100)] {
				fmt.Fprintln(s.out, " ", id)
			}
		}
		if err := restoredTrust(s, h.trust(), published); err != nil {
			return err
		}
		fmt.Fprintln(s.out, "The hold is over: certificates are issued and states published again. Let the sources send again what they sent after the backup, and run divoc fsck.")
		return nil
	})
}

// restoredTrust says which keys of others count again, or no more, because the lists
// of the backup do: nothing else tells that somebody took a key back since.
func restoredTrust(s streams, t *trustlist.Service, published *issuance.Published) error {
	here, err := t.Public(s.ctx)
	if err != nil {
		return err
	}
	others := published.Others()
	switch {
	case others == nil && len(here.Issuers)+len(here.HashLists) > 0:
		fmt.Fprintln(s.out, "trust lists count as they did at the backup; import each anew (divoc trust list, divoc trust import).")
	case others != nil:
		changes := trustlist.Difference(trustlist.Of(others), trustlist.Of(here))
		if len(changes) > 0 {
			fmt.Fprintln(s.out, "trust lists count as they did at the backup. Against what was published last, these keys count again (added) or no more (removed); import each list anew (divoc trust list, divoc trust import):")
			printChanges(s.out, changes, false)
		}
	}
	return nil
}

// find gathers what was published: bundles first, as they name the keys of the
// lists.
func (c *restoreCmd) find(ctx context.Context, p *issuance.Published) error {
	var lists [][]byte
	var urls []string
	for _, where := range c.Published {
		if strings.HasPrefix(where, "https://") || strings.HasPrefix(where, "http://") {
			urls = append(urls, where)
			continue
		}
		err := filepath.WalkDir(where, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			data, err := readPublished(path)
			if err == nil && bytes.Contains(data, []byte("BitstringStatusListCredential")) {
				lists = append(lists, data)
			} else if err == nil {
				err = p.Add(data)
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", path, err)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	client := &http.Client{Timeout: time.Minute}
	for _, url := range urls {
		if err := p.Fetch(ctx, url, func(ctx context.Context, url string) ([]byte, int, error) { return get(ctx, client, url) }); err != nil {
			return err
		}
	}
	for _, data := range lists {
		if err := p.Add(data); err != nil {
			return err
		}
	}
	return nil
}

func readPublished(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return limited(f)
}

// get asks an address that the administrator named.
func get(ctx context.Context, client *http.Client, url string) ([]byte, int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	data, err := limited(answer.Body)
	return data, answer.StatusCode, err
}

func limited(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, trust.MaxSize+1))
	if err == nil && len(data) > trust.MaxSize {
		err = errors.New("it is too large for a trust bundle or a status list")
	}
	return data, err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
)

const (
	manifestFormat = "divoc-backup/1"
	manifestSize   = 16 << 20 // far more than any has
)

// Manifest says what a backup holds, as of the one moment it is of. It names
// nobody.
type Manifest struct {
	Format    string            `json:"format"`
	Made      time.Time         `json:"made"`
	Program   string            `json:"program"`  // version of divoc
	Postgres  int               `json:"postgres"` // server_version_num
	Schema    registry.Versions `json:"schema"`
	PublicURL string            `json:"publicURL"`
	Country   string            `json:"country"`
	Demo      bool              `json:"demo,omitempty"`
	Files     map[string]File   `json:"files"`
	Tables    []Table           `json:"tables"`
	// Groups are the counters of status positions and the ends of the audit
	// chains. Kept elsewhere, they show a chain that was made anew.
	Groups []Group `json:"groups"`
	// TrustBundle is the version of the last trust bundle, 0 before the first.
	TrustBundle int64  `json:"trustBundle"`
	Lists       []List `json:"statusLists"` // as last published

	hash [sha256.Size]byte // of its text
}

// Table is one table and its number of rows.
type Table struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
}

// Group is a group of buckets: its counter of status positions and the end of
// its audit chain.
type Group struct {
	ID         int16  `json:"id"`
	StatusNext int64  `json:"statusNext"`
	Audit      int64  `json:"audit"` // entries
	Head       string `json:"head"`  // hexadecimal
}

// List is a published status list.
type List struct {
	List    int32     `json:"list"`
	Purpose string    `json:"purpose"`
	Version int64     `json:"version"`
	Issued  time.Time `json:"issued"`
}

// settingBundle is where package issuance keeps the version of the last trust
// bundle.
const settingBundle = "trust_bundle_version"

// describe fills in what the database says of itself.
func (m *Manifest) describe(ctx context.Context, tx pgx.Tx, q *query.Queries) error {
	if err := tx.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&m.Postgres); err != nil {
		return err
	}
	var err error
	if m.Schema, err = registry.ReadVersions(ctx, tx); err != nil {
		return err
	}
	if m.Groups, err = groups(ctx, q); err != nil {
		return err
	}
	version, err := q.GetSetting(ctx, settingBundle)
	if err == nil {
		m.TrustBundle, err = strconv.ParseInt(version, 10, 64)
	}
	if err != nil && !registry.IsNone(err) {
		return err
	}
	lists, err := q.StatusLists(ctx)
	for _, l := range lists {
		m.Lists = append(m.Lists, List{l.List, l.Purpose, l.Version, l.IssuedAt.UTC()})
	}
	return err
}

func groups(ctx context.Context, q *query.Queries) ([]Group, error) {
	next, err := q.StatusNext(ctx)
	if err != nil {
		return nil, err
	}
	heads, err := q.AuditHeads(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Group, len(heads))
	for i, h := range heads { // both in order of the group
		out[i] = Group{h.ID, next[i].StatusNext, h.AuditSeq, hex.EncodeToString(h.AuditHead)}
	}
	return out, nil
}

// Rows is the number of rows of a table.
func (m *Manifest) Rows(table string) int64 {
	for _, t := range m.Tables {
		if t.Name == table {
			return t.Rows
		}
	}
	return 0
}

// ID names the backup: the hash of its manifest, in hexadecimal.
func (m *Manifest) ID() string { return hex.EncodeToString(m.hash[:]) }

func (m *Manifest) encode() ([]byte, error) {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	text = append(text, '\n')
	m.hash = sha256.Sum256(text)
	return text, nil
}

func parseManifest(text []byte) (*Manifest, error) {
	m := &Manifest{}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		return nil, errors.New("the manifest is not readable: it was changed, or written by a newer divoc")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the manifest's end")
	}
	if m.Format != manifestFormat {
		return nil, fmt.Errorf("the manifest is of format %.40q; this program reads %s", m.Format, manifestFormat)
	}
	for _, name := range []string{DatabaseFile, KeysFile} {
		if m.Files[name].SHA256 == "" {
			return nil, fmt.Errorf("the manifest does not name %s", name)
		}
	}
	m.hash = sha256.Sum256(text)
	return m, nil
}

// readLimited reads a file of at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, err
}

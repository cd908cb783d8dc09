package issuance

import (
	"context"
	"fmt"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// languageTrails are what the audit says of the languages that people chose: when
// last, in microseconds, by person. Which it was stands in no entry.
type languageTrails map[string]int64

func (ts languageTrails) follow(e query.Audit) {
	if e.Act == actLanguage {
		ts[e.Object] = e.At.UnixMicro()
	}
}

// languages compares what people of one group of buckets chose with the audit.
func (c *checking) languages(ctx context.Context, group int16, trails languageTrails) error {
	rows, err := c.q.LanguagesBetween(ctx, query.LanguagesBetweenParams{First: group << 6, Last: group<<6 | 63})
	if err != nil {
		return err
	}
	for _, r := range rows {
		who := personKey{r.Bucket, r.PersonID}.String()
		if at, ok := trails[who]; !ok || at != r.ChosenAt.UnixMicro() {
			c.problem("%s: the language they are written to in was not chosen when it says, by the audit", who)
		}
		delete(trails, who)
	}
	for who := range trails {
		var p personKey
		if _, err := fmt.Sscanf(who, "person %d-%d", &p.bucket, &p.id); err != nil {
			c.problem("the audit says that nobody chose a language")
			continue
		}
		row, err := c.q.PersonByID(ctx, query.PersonByIDParams{Bucket: p.bucket, ID: p.id})
		if err != nil && !registry.IsNone(err) {
			return err
		}
		if err != nil || len(row.Key) > 0 { // else they were erased, and it with them
			c.problem("%s: the audit says that they chose a language, and it is missing", who)
		}
	}
	return nil
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opendivoc/divoc/vaccination"
)

type keysClientCmd struct {
	dataFlags
	Renew bool `help:"Make new ones first. Until the identity provider has them nobody signs in there."`
}

// Run prints the keys.
func (c *keysClientCmd) Run(s streams) error {
	return c.with(s, func(h *house) error {
		citizens := h.citizens(nil)
		keys, err := citizens.ClientKeys(s.ctx)
		if vaccination.ErrorCode(err) == vaccination.NotFound {
			return errors.New("the profile names no identity provider for citizens (citizenIdentity)")
		}
		if err == nil && c.Renew {
			if err = citizens.RenewClientKey(s.ctx); err == nil {
				keys, err = citizens.ClientKeys(s.ctx)
			}
		}
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := json.Indent(&text, keys, "", "  "); err != nil {
			return err
		}
		_, err = fmt.Fprintln(s.out, text.String())
		return err
	})
}

package main

import (
	"bytes"
	"fmt"
)

type trustCmd struct {
	Export trustExportCmd `cmd:"" help:"Print the trust bundle: our keys and a signed snapshot of all states."`
}

type trustExportCmd struct{ dataFlags }

// Run prints the bundle.
func (c *trustExportCmd) Run(s streams) error {
	h, err := openHouse(s.ctx, c.dataFlags, nil, "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	bundle, err := h.service.TrustBundle(s.ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, string(bytes.TrimSpace(bundle)))
	return err
}

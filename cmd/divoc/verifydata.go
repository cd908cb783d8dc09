package main

import (
	"time"

	"github.com/opendivoc/divoc/trust"
)

// verifyData says which data folder a verification may ask whose signatures count
// and which certificates were withdrawn. It reads no environment: a verification
// elsewhere never depends on one.
type verifyData struct {
	Data     string `type:"path" placeholder:"DIR" help:"A server's data folder: its own keys, its trust sources and its states count too."`
	SealKey  string `type:"path" placeholder:"FILE" help:"With --data: the key that seals it."`
	Database string `placeholder:"URL" help:"With --data: its PostgreSQL, where it is not the embedded one."`
}

// bundles are what a folder says counts, as of now; nothing without one.
func (f verifyData) bundles(s streams) ([]*trust.Bundle, error) {
	if f.Data == "" {
		return nil, nil
	}
	var out []*trust.Bundle
	err := dataFlags(f).with(s, func(h *house) error {
		data, err := h.service.TrustBundle(s.ctx)
		if err != nil {
			return err
		}
		own, err := trust.Parse(data)
		if err != nil {
			return err
		}
		own.Issued = time.Time{} // whoever replays an earlier time has no wrong clock
		others, err := h.trust().Current(s.ctx)
		if err != nil {
			return err
		}
		out = []*trust.Bundle{own, others.Bundle}
		return nil
	})
	return out, err
}

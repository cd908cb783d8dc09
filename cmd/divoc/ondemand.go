package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/dhis2"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/web"
	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/vaccination"
)

// onDemand gives certificates to people who ask, from sources of kind dhis2.
// A demonstration shows its codes; elsewhere they are sent.
func (h *house) onDemand(k *sourceKinds) *ondemand.Service {
	var sender ondemand.Sender
	if !h.demo {
		sender = h.messages()
	}
	return ondemand.New(ondemand.Options{
		Sender: sender,
		Store: h.store, Box: h.box, Issuance: h.service, Intake: k.intake, Kind: intake.DHIS2, Finder: k.dhis2, Reader: dhis2.Reader{},
		Demo: h.demo, Now: now, Random: rand.Reader, Log: h.log,
	})
}

// demoSource is the source of a demonstration that reads a DHIS2.
const demoSource = "dhis2-demo"

// demoDHIS2 makes the replay of DHIS2 that make run starts the demonstration's
// source, with the shipped mapping of the COVAC package.
func (h *house) demoDHIS2(ctx context.Context, k *sourceKinds, url string) error {
	mapping, err := profiles.FS.ReadFile(h.profile.Name + "/sources/dhis2-covac.yaml")
	if err != nil {
		return fmt.Errorf("the profile %s has no mapping for a DHIS2 of a demonstration", h.profile.Name)
	}
	config, err := json.Marshal(dhis2.Config{URL: url, Token: "d2pat_replay", Program: "yDuAzyqYABS", SystemID: []string{"KSr2yTdu1AI"}, OnDemand: true})
	if err != nil {
		return err
	}
	err = k.intake.Create(ctx, web.DemoCaller(), intake.NewSource{Name: demoSource, Kind: intake.DHIS2, Config: config, Mapping: string(mapping)})
	if vaccination.ErrorCode(err) == vaccination.Conflict {
		err = k.intake.Set(ctx, web.DemoCaller(), demoSource, intake.Settings{Config: config})
	}
	return err
}

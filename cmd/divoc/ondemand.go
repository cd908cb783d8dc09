package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/dhis2"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/web"
	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/vaccination"
)

// onDemand gives certificates to people who ask, from sources of kind dhis2.
// A demonstration shows its codes; elsewhere they are sent.
func (h *house) onDemand(k *sourceKinds) *ondemand.Service {
	o := ondemand.Options{
		Ready: readyMessage(h.messages()),
		Store: h.store, Box: h.box, Issuance: h.service, Intake: k.intake, Kind: intake.DHIS2, Finder: k.dhis2, Reader: dhis2.Reader{},
		Demo: h.demo, Now: now, Random: rand.Reader, Log: h.log,
	}
	if !h.demo {
		messages, country := h.messages(), "+"+h.profile.PhoneRules.CountryCode
		o.Sender = messages
		o.Carries = func(ctx context.Context) (bool, error) { return messages.Carries(ctx, country) }
	}
	return ondemand.New(o)
}

// readyMessage tells whose certificates could not be given at once that they can
// be fetched now, where the number on record gets messages.
func readyMessage(messages *deliver.Service) func(ctx context.Context, q *query.Queries, number, language, ticket string) error {
	return func(ctx context.Context, q *query.Queries, number, language, ticket string) error {
		if !messages.Reachable(number) {
			return nil
		}
		return messages.Queue(ctx, q, deliver.Message{
			Template: profile.MessageOnDemandReady, Class: deliver.Notice, To: number, Language: language,
			Values: map[string]string{"reference": ticket}, Once: "on demand ticket " + ticket,
		})
	}
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

package main

import (
	"context"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/commcare"
	"github.com/opendivoc/divoc/internal/intake/dhis2"
	"github.com/opendivoc/divoc/internal/intake/fhir"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/intake/matching"
	"github.com/opendivoc/divoc/internal/intake/remote"
)

// sourceKinds are the kinds of sources, each with what reads, asks and polls it.
type sourceKinds struct {
	intake   *intake.Service
	dhis2    *dhis2.Service
	commcare *commcare.Service
	fhir     *fhir.Service
}

// intake puts the intake of the house together. It starts nothing.
func (h *house) intake() *sourceKinds {
	k := &sourceKinds{}
	kinds := map[intake.SourceKind]intake.Kind{}
	k.intake = intake.New(intake.Options{
		Store: h.store, Box: h.box, Issuance: h.service, Profile: h.profile, Kinds: kinds, Now: now, Log: h.log,
		Matcher: matching.Matcher{Issuance: h.service},
	})
	k.dhis2 = dhis2.New(dhis2.Options{Intake: k.intake, Issued: dhis2.Back{Intake: k.intake, Issuance: h.service, By: access.System("write-back"), Link: h.publicURL + "/verify"}, Now: now, Log: h.log})
	k.commcare = commcare.New(commcare.Options{Intake: k.intake, Patience: remote.Patience(), Now: now, Log: h.log})
	k.fhir = fhir.New(fhir.Options{Intake: k.intake, Patience: remote.Patience(), Now: now, Log: h.log})
	kinds[intake.DHIS2] = k.dhis2.Kind()
	kinds[intake.CommCare] = k.commcare.Kind()
	kinds[intake.FHIR] = k.fhir.Kind()
	kinds[intake.FileKind] = intake.Kind{Files: true, CheckMapping: (*mapping.Mapping).CheckFile}
	return k
}

// run polls the sources until ctx ends.
func (k *sourceKinds) run(ctx context.Context) {
	go k.dhis2.Schedule().Run(ctx)
	go k.commcare.Schedule().Run(ctx)
	go k.fhir.Schedule().Run(ctx)
}

package fhir

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/intake/remote"
	"github.com/opendivoc/divoc/vaccination"
)

// Intake is what this package needs of [intake.Service].
type Intake interface {
	Deliver(ctx context.Context, source string, d intake.Delivery) ([]string, error)
	Known(ctx context.Context, source string, kind intake.FragmentKind, ids []string) (map[string]intake.Known, error)
	Hash(f intake.Fragment) string
	Contact(ctx context.Context, source string, err error, stop bool) error
	OfKind(ctx context.Context, kind intake.SourceKind) ([]intake.Source, error)
}

// Options are what a Service needs.
type Options struct {
	Intake    Intake
	Transport http.RoundTripper // nil is Go's own
	Patience  []time.Duration   // the waits before asking again a server that is not there
	Now       func() time.Time
	Log       *slog.Logger
}

// Service asks the sources of kind fhir for what is new. It is safe for concurrent
// use.
type Service struct{ Options }

// New returns a Service. It asks nobody yet.
func New(o Options) *Service { return &Service{o} }

// Kind is how package intake reads, asks and tests such sources.
func (s *Service) Kind() intake.Kind {
	return intake.Kind{Reader: Reader{}, Fetcher: s, Tester: s, CheckConfig: CheckConfig, Mapping: Mapping}
}

func (s *Service) client(src intake.Source) (*Config, *remote.Client, error) {
	c, err := ReadConfig(src.Config)
	if err != nil || c.URL == "" {
		return c, nil, err
	}
	return c, remote.New("the FHIR server", c.header(), s.Transport, s.Patience...), nil
}

// Test implements [intake.Tester]: the server must serve FHIR 4.0 and let
// Immunization be searched by _lastUpdated. It says nothing that a mapping could
// be checked against.
func (s *Service) Test(ctx context.Context, src intake.Source) (mapping.Metadata, error) {
	c, client, err := s.client(src)
	if err != nil || client == nil {
		return mapping.Metadata{}, err
	}
	var capability struct {
		FHIRVersion string `json:"fhirVersion"`
		Rest        []struct {
			Resource []struct {
				Type string `json:"type"`
			} `json:"resource"`
		} `json:"rest"`
	}
	if err := client.JSON(ctx, http.MethodGet, c.URL+"/metadata", nil, &capability); err != nil {
		return mapping.Metadata{}, err
	}
	if !strings.HasPrefix(capability.FHIRVersion, "4.0") {
		return mapping.Metadata{}, client.Strange("its CapabilityStatement is not of FHIR 4.0")
	}
	for _, rest := range capability.Rest {
		for _, r := range rest.Resource {
			if r.Type == "Immunization" {
				var page struct{}
				return mapping.Metadata{}, client.JSON(ctx, http.MethodGet, c.URL+"/Immunization?_count=1&_sort=_lastUpdated", nil, &page)
			}
		}
	}
	return mapping.Metadata{}, client.Strange("its CapabilityStatement has no Immunization")
}

var logicalID = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)

// Fetch implements [intake.Fetcher] for people.
func (s *Service) Fetch(ctx context.Context, src intake.Source, kind intake.FragmentKind, ids []string) ([]intake.Arrival, error) {
	c, client, err := s.client(src)
	if err != nil || kind != intake.PersonFragment {
		return nil, err
	}
	if client == nil {
		return nil, intake.ErrNotAsked
	}
	var out []intake.Arrival
	for _, id := range ids {
		id, ok := strings.CutPrefix(id, patientID)
		if !ok || !logicalID.MatchString(id) {
			continue // known by an identifier: they come with a Bundle
		}
		var raw json.RawMessage
		err := client.JSON(ctx, http.MethodGet, c.URL+"/Patient/"+id, nil, &raw)
		if vaccination.ErrorCode(err) == vaccination.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		var asked struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(raw, &asked); err != nil || asked.ID != id {
			return nil, client.Strange("it sent somebody who was not asked for")
		}
		out = append(out, s.arrival(intake.Demand, raw))
	}
	return out, nil
}

func (s *Service) arrival(channel intake.Channel, raw json.RawMessage) intake.Arrival {
	return intake.Arrival{Channel: channel, ContentType: "application/fhir+json", Body: raw, Received: s.Now()}
}

// page reads one page of a search: the resources of the kind asked for, when the
// newest was changed, and the address of the next page.
func page(ctx context.Context, client *remote.Client, address, resource string) (out []json.RawMessage, last time.Time, next string, err error) {
	var b struct {
		Type string `json:"resourceType"`
		Link []struct {
			Relation string `json:"relation"`
			URL      string `json:"url"`
		} `json:"link"`
		Entry []struct {
			Resource json.RawMessage `json:"resource"`
		} `json:"entry"`
	}
	if err := client.JSON(ctx, http.MethodGet, address, nil, &b); err != nil {
		return nil, last, "", err
	}
	if b.Type != "Bundle" {
		return nil, last, "", client.Strange("a search is not answered with a Bundle")
	}
	for _, e := range b.Entry {
		var r struct {
			Type string `json:"resourceType"`
			Meta struct {
				LastUpdated string `json:"lastUpdated"`
			} `json:"meta"`
		}
		if len(e.Resource) == 0 {
			continue
		}
		if err := json.Unmarshal(e.Resource, &r); err != nil {
			return nil, last, "", client.Strange("an entry of a Bundle is no resource")
		}
		if r.Type != resource {
			continue // an OperationOutcome, or what the server includes by itself
		}
		out = append(out, e.Resource)
		if t, err := time.Parse(time.RFC3339, r.Meta.LastUpdated); err == nil && t.After(last) {
			last = t.UTC()
		}
	}
	for _, l := range b.Link {
		if l.Relation == "next" {
			next, err = client.Next(address, l.URL)
		}
	}
	return out, last, next, err
}

// Schedule is when the sources of this kind are asked.
func (s *Service) Schedule() *intake.Schedule {
	return &intake.Schedule{Intake: s.Intake, Kind: intake.FHIR, Every: every, Poll: s.Poll, Now: s.Now, Log: s.Log}
}

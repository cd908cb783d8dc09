package dhis2

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
)

// Intake is what this package needs of [intake.Service].
type Intake interface {
	Deliver(ctx context.Context, source string, d intake.Delivery) ([]string, error)
	Known(ctx context.Context, source string, kind intake.FragmentKind, ids []string) (map[string]intake.Known, error)
	Each(ctx context.Context, source string, f func([]intake.Fragment) error) error
	Contact(ctx context.Context, source string, err error, stop bool) error
	PutFacilities(ctx context.Context, source string, list []intake.Facility) error
	Source(ctx context.Context, name string) (intake.Source, error)
	OfKind(ctx context.Context, kind intake.SourceKind) ([]intake.Source, error)
}

// Options are what a Service needs.
type Options struct {
	Intake    Intake
	Transport http.RoundTripper // nil is Go's own
	Now       func() time.Time
	Log       *slog.Logger
	// Issued tells what became of people since, for sources that want it back;
	// nil writes nothing back.
	Issued Issued
}

// Service keeps the sources of kind dhis2 read. It is safe for concurrent use.
type Service struct {
	Options
	mu      sync.Mutex
	clients map[string]*opened // by source
}

// opened is a source's client, for as long as its settings are these.
type opened struct {
	config  *Config
	text    string
	poll    *Client // one request at a time, patient
	demand  *Client // for somebody who waits
	checked *mapping.Mapping

	info       Info            // as it was when attributes were asked for
	attributes map[string]bool // that the programme has; nil until asked for
}

// New returns a Service. It asks nobody yet.
func New(o Options) *Service {
	return &Service{Options: o, clients: map[string]*opened{}}
}

// How many requests run at once for people who wait, and how long a poll waits
// before it asks a server again that is not there.
const demandRequests = 8

func patience() []time.Duration {
	return []time.Duration{time.Second, 4 * time.Second, 16 * time.Second}
}

// open returns the client of a source.
func (s *Service) open(src intake.Source) (*opened, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.clients[src.Name]; o != nil && o.text == string(src.Config) {
		return o, nil
	}
	c, err := ReadConfig(src.Config)
	if err != nil {
		return nil, err
	}
	o := &opened{config: c, text: string(src.Config), poll: NewClient(c, s.Transport, 1, patience()...), demand: NewClient(c, s.Transport, demandRequests)}
	s.clients[src.Name] = o
	return o, nil
}

// Kind is how package intake reads, asks and tests such sources. A service is
// not needed to read.
func (s *Service) Kind() intake.Kind {
	return intake.Kind{Reader: Reader{}, Fetcher: s, Tester: s, CheckConfig: CheckConfig}
}

// Test implements [intake.Tester].
func (s *Service) Test(ctx context.Context, src intake.Source) (mapping.Metadata, error) {
	o, err := s.open(src)
	if err != nil {
		return mapping.Metadata{}, err
	}
	if _, err := o.demand.Info(ctx); err != nil {
		return mapping.Metadata{}, err
	}
	return o.demand.Metadata(ctx)
}

// Fetch implements [intake.Fetcher] for people: their doses come with them.
func (s *Service) Fetch(ctx context.Context, src intake.Source, _ intake.FragmentKind, ids []string) ([]intake.Arrival, error) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !uid.MatchString(id) })
	if len(ids) == 0 {
		return nil, nil
	}
	o, err := s.open(src)
	if err != nil {
		return nil, err
	}
	info, err := o.demand.Info(ctx)
	if err != nil {
		return nil, err
	}
	found, err := o.demand.Entities(ctx, ids)
	if err != nil {
		return nil, err
	}
	var out []intake.Arrival
	for _, id := range ids {
		if raw, ok := found[id]; ok {
			out = append(out, s.arrival(o, info, intake.Demand, raw))
		}
	}
	return out, nil
}

func (s *Service) arrival(o *opened, info Info, channel intake.Channel, raw json.RawMessage) intake.Arrival {
	return intake.Arrival{
		Channel: channel, ContentType: "application/json", Body: raw, Received: s.Now(),
		Hints: map[string]string{hintProgram: o.config.Program, hintZone: info.Zone.String()},
	}
}

// Schedule polls every active source of this kind when it is due.
func (s *Service) Schedule() *intake.Schedule {
	return &intake.Schedule{
		Intake: s.Intake, Kind: intake.DHIS2, Poll: s.Poll, Now: s.Now, Log: s.Log,
		Every: func(config json.RawMessage) (time.Duration, error) {
			c, err := ReadConfig(config)
			if err != nil {
				return 0, err
			}
			return time.Duration(c.Every), nil
		},
	}
}

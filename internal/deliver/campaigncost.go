package deliver

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/opendivoc/divoc/internal/gsm"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// Spoken is whom a campaign reaches in one language, and what that costs: where a
// text is written in another alphabet it takes more parts.
type Spoken struct {
	Language string   `json:"language"`
	People   int      `json:"people" doc:"who would get it in this language"`
	Email    int      `json:"email,omitempty" doc:"of these, by e-mail, which costs no parts"`
	Parts    int      `json:"parts" doc:"SMS parts that would be paid for"`
	Each     gsm.Size `json:"each" doc:"what one SMS in this language is"`
	Cost     float64  `json:"cost,omitempty"`
}

// spoken is what is kept of a language.
type spoken struct {
	SMS   int `json:"sms"`
	Parts int `json:"parts"`
	Email int `json:"email,omitempty"`
}

// words is the text of a campaign in a language: its own, else the profile's.
func (s *Service) words(n NewCampaign, language string) string {
	if own := n.Texts[language]; own != "" {
		return own
	}
	return s.Profile.Message(language, n.Template)
}

// each is what one SMS of a campaign is in a language.
func (s *Service) each(n NewCampaign, language string) gsm.Size {
	return gsm.Measure(profile.Fill(s.words(n, language), map[string]string{"link": s.PublicURL + profile.MyPath}))
}

// chosenBy are the languages that people chose, as far as there are texts in them.
func (s *Service) chosenBy(ctx context.Context, q *query.Queries, buckets []int16, people []int64) (map[Person]string, error) {
	rows, err := q.LanguagesOfPeople(ctx, query.LanguagesOfPeopleParams{Buckets: buckets, People: people})
	if err != nil {
		return nil, fmt.Errorf("finding in which language people are written to: %w", err)
	}
	chosen := map[Person]string{}
	for _, row := range rows {
		if slices.Contains(s.Profile.Languages, row.Language) {
			chosen[Person{row.Bucket, row.PersonID}] = row.Language
		}
	}
	return chosen, nil
}

// tally adds those of a page to what was counted by language, and returns what is
// kept of it and how many parts the page takes.
func (s *Service) tally(ctx context.Context, q *query.Queries, n NewCampaign, before []byte, reached []told) (kept []byte, parts int64, err error) {
	counted := map[string]spoken{}
	if err := json.Unmarshal(before, &counted); err != nil {
		return nil, 0, err
	}
	var buckets []int16
	var people []int64
	for _, t := range reached {
		buckets, people = append(buckets, t.Bucket), append(people, t.PersonID)
	}
	chosen, err := s.chosenBy(ctx, q, buckets, people)
	if err != nil {
		return nil, 0, err
	}
	each := map[string]int{}
	for _, language := range s.Profile.Languages {
		each[language] = s.each(n, language).Parts
	}
	for _, t := range reached {
		language := chosen[Person{t.Bucket, t.PersonID}]
		if language == "" {
			language = s.Profile.Languages[0]
		}
		c := counted[language]
		if channelOf(t.to) == SMS {
			c.SMS++
			c.Parts += each[language]
			parts += int64(each[language])
		} else {
			c.Email++
		}
		counted[language] = c
	}
	kept, err = json.Marshal(counted)
	return kept, parts, err
}

// bySpeech is what was counted, in the order of the profile's languages.
func (s *Service) bySpeech(n NewCampaign, kept []byte) ([]Spoken, error) {
	counted := map[string]spoken{}
	if err := json.Unmarshal(kept, &counted); err != nil {
		return nil, err
	}
	var out []Spoken
	for _, language := range s.Profile.Languages {
		if c, ok := counted[language]; ok {
			out = append(out, Spoken{language, c.SMS + c.Email, c.Email, c.Parts, s.each(n, language), float64(c.Parts) * s.Profile.Messaging.PricePerPart})
		}
	}
	return out, nil
}

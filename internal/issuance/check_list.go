package issuance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/credential/tokenstatus"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// handedOut are the status positions of a group of buckets that were handed out.
type handedOut struct {
	group int16
	full  int64         // lists before this one are handed out whole
	open  vc.StatusList // a bit for each position of list number full
}

// positions returns what was handed out in a group.
func (c *checking) positions(ctx context.Context, group int16) (*handedOut, error) {
	groups, err := c.q.StatusNext(ctx)
	if err != nil {
		return nil, err
	}
	h := &handedOut{group: group}
	for _, g := range groups {
		if g.ID != group {
			continue
		}
		h.full = g.StatusNext / listPositions
		for position := range uint32(g.StatusNext % listPositions) {
			h.open.Set(c.Box.StatusIndex(uint32(listID(group, g.StatusNext)), position), true)
		}
	}
	return h, nil
}

func (h *handedOut) has(list, index int32) bool {
	n := int64(list & 0xffff)
	return list>>16 == int32(h.group) && (n < h.full || n == h.full && h.open.Get(uint32(index)))
}

// publishDelay is how long a change may wait for its list to be published.
const publishDelay = 10 * time.Minute

// lists checks every published status list.
func (c *checking) lists(ctx context.Context) error {
	rows, err := c.q.StatusLists(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		list, err := c.q.GetStatusList(ctx, query.GetStatusListParams{List: row.List, Purpose: row.Purpose})
		if err != nil {
			return err
		}
		flagged, err := c.q.FlaggedInList(ctx, query.FlaggedInListParams{List: row.List, Now: c.Now().UTC()})
		if err != nil {
			return err
		}
		if err := c.list(list, flagged); err != nil {
			c.problem("published %s list %d: %v", row.Purpose, row.List, err)
		}
	}
	return nil
}

func (c *checking) list(row query.StatusList, flagged []query.FlaggedInListRow) error {
	switch row.Purpose {
	case PurposeToken:
		return c.tokenList(row, flagged, tokenstatus.Parse)
	case PurposeCWT:
		return c.tokenList(row, flagged, tokenstatus.ParseCWT)
	}
	list, err := vc.ParseStatusList(row.Credential)
	if err != nil {
		return err
	}
	stale := row.IssuedAt.Equal(time.Unix(0, 0)) // to be signed anew when it is asked for
	switch {
	case !verifies(list.VerificationMethod(), list.Verify, c.keys):
		return errors.New("it does not verify")
	case list.URL != c.ListURL(row.Purpose, row.List) || list.Purpose != row.Purpose || row.List>>16 >= registry.AdminChain:
		return errors.New("it is another list")
	case !stale && !list.IssuedAt.Equal(row.IssuedAt):
		return errors.New("it was signed at another time")
	}
	final := map[uint32]bool{}
	for _, f := range flagged {
		status := statusOf(f.Status)
		final[uint32(f.StatusIndex)] = status.Final()
		if (status == vaccination.StatusSuspended) != (row.Purpose == "suspension") || list.IssuedAt.Before(f.StatusAt.Add(publishDelay)) {
			continue
		}
		if on, err := list.Lookup(vc.StatusEntry{Purpose: row.Purpose, List: list.URL, Index: uint32(f.StatusIndex)}); err != nil || !on {
			return fmt.Errorf("it does not say that the certificate at %d is %s", f.StatusIndex, status)
		}
	}
	if row.Purpose != "revocation" {
		return nil
	}
	for index := range uint32(vc.ListSize) {
		if on, err := list.Lookup(vc.StatusEntry{Purpose: row.Purpose, List: list.URL, Index: index}); err != nil || on && !final[index] {
			return fmt.Errorf("the certificate at %d was withdrawn when it was signed, and is not now", index)
		}
	}
	return nil
}

// tokenList is list for the forms that have both states.
func (c *checking) tokenList(row query.StatusList, flagged []query.FlaggedInListRow, parse func([]byte) (*tokenstatus.Token, error)) error {
	list, err := parse(row.Credential)
	if err != nil {
		return err
	}
	url, stale := c.ListURL(PurposeToken, row.List), row.IssuedAt.Equal(time.Unix(0, 0))
	switch {
	case !verifies(list.KeyID, list.Verify, c.keys):
		return errors.New("it does not verify")
	case list.URL != url || row.List>>16 >= registry.AdminChain:
		return errors.New("it is another list")
	case !stale && !list.IssuedAt.Equal(row.IssuedAt):
		return errors.New("it was signed at another time")
	}
	final := map[uint32]bool{}
	for _, f := range flagged {
		index, status := uint32(f.StatusIndex), statusOf(f.Status)
		final[index] = final[index] || status.Final()
		if list.IssuedAt.Before(f.StatusAt.Add(publishDelay)) {
			continue
		}
		if v, err := list.Lookup(url, index, list.IssuedAt); err != nil || v == tokenstatus.Valid || status.Final() && v != tokenstatus.Invalid {
			return fmt.Errorf("it does not say that the certificate at %d is %s", f.StatusIndex, status)
		}
	}
	for index := range uint32(vc.ListSize) {
		if v, err := list.Lookup(url, index, list.IssuedAt); err != nil || v == tokenstatus.Invalid && !final[index] {
			return fmt.Errorf("the certificate at %d was withdrawn when it was signed, and is not now", index)
		}
	}
	return nil
}

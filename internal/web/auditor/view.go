package auditor

import (
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/web/page"
)

// describedBy names what describes a field: its hint and its fault.
func describedBy(faults []page.Fault, id, hint string) string {
	var ids []string
	if hint != "" {
		ids = append(ids, id+"-hint")
	}
	if page.Message(faults, id) != "" {
		ids = append(ids, id+"-error")
	}
	return strings.Join(ids, " ")
}

// reasonOf is the id of the field for the reason of an alarm.
func reasonOf(alarm int64) string { return "reason-" + strconv.FormatInt(alarm, 10) }

// headsURL is where a statement is published.
func headsURL(number int64) string { return audit.Path + "/" + strconv.FormatInt(number, 10) }

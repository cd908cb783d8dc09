package mapping

import (
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/opendivoc/divoc/vaccination"
)

// fold is a name as names are compared: without regard to capital letters, to
// how accents are put together, and to space around and between words.
func fold(name string) string {
	return cases.Fold().String(strings.Join(strings.Fields(norm.NFC.String(name)), " "))
}

// FileNames are the names that a mapping looks for in one record of a file.
type FileNames struct {
	m      *Mapping
	wanted map[string][]string // the mapping's spellings of a folded name
}

// FileNames returns the names that the mapping looks for in a record of a file.
func (m *Mapping) FileNames() *FileNames {
	n := &FileNames{m: m, wanted: map[string][]string{}}
	for _, name := range slices.Sorted(maps.Keys(m.wanted())) {
		n.wanted[fold(name)] = append(n.wanted[fold(name)], name)
	}
	return n
}

// Find returns a name as the mapping spells it, none where it does not name it.
func (n *FileNames) Find(name string) []string { return n.wanted[fold(name)] }

// Count is how many of the names the mapping looks for.
func (n *FileNames) Count(names []string) (count int) {
	for _, name := range names {
		if len(n.Find(name)) > 0 {
			count++
		}
	}
	return count
}

// Columns are the columns of a table as a mapping calls them.
type Columns struct {
	names [][]string // of each column; none where the mapping does not name it
	at    map[string]int
}

// Columns finds the mapping's names in the header of a table. Missing of the
// answer are rules, and doses in slots, that the table has nothing for; it cannot
// be read with one. A name that two columns have is [vaccination.Invalid].
func (n *FileNames) Columns(header []string) (*Columns, Check, error) {
	c := &Columns{names: make([][]string, len(header)), at: map[string]int{}}
	var twice []vaccination.Fault
	for i, cell := range header {
		c.names[i] = n.Find(cell)
		for _, name := range c.names[i] {
			if _, ok := c.at[name]; ok {
				twice = append(twice, vaccination.Fault{Path: name, Code: "duplicate-column", Message: "this column is there twice: leave one"})
				break
			}
			c.at[name] = i
		}
	}
	if len(twice) > 0 {
		return nil, Check{}, &vaccination.Error{Code: vaccination.Invalid, Message: "the header is not clear", Faults: twice}
	}
	return c, n.m.inFile(slices.Sorted(maps.Keys(c.at))), nil
}

// wanted are the names that the mapping's rules look for in one record of a
// file, the doses in slots with their prefixes.
func (m *Mapping) wanted() map[string]bool {
	out := map[string]bool{}
	for f := range m.fields() {
		dose := strings.HasPrefix(f.path, "dose.")
		for _, name := range f.rule.From {
			out[name] = true
			for _, s := range m.Slots {
				if dose {
					out[s.Prefix+name] = true
				}
			}
		}
	}
	for _, s := range m.Slots {
		out[s.Prefix+s.When] = true
	}
	return out
}

// inFile compares the mapping with the names that a file has.
func (m *Mapping) inFile(names []string) Check {
	person, dose := map[string]Field{}, map[string]Field{}
	slots := map[int]map[string]bool{}
	for _, name := range names {
		i := m.slotOf(name)
		if i < 0 {
			person[name], dose[name] = Field{ID: name}, Field{ID: name}
			continue
		}
		if slots[i] == nil {
			slots[i] = map[string]bool{}
		}
		name = strings.TrimPrefix(name, m.Slots[i].Prefix)
		slots[i][name] = true
		dose[name] = Field{ID: name}
	}
	var c Check
	for f := range m.fields() {
		if strings.HasPrefix(f.path, "dose.") {
			m.against(f, dose, &c)
		} else {
			m.against(f, person, &c)
		}
	}
	for i, s := range m.Slots {
		if !slots[i][s.When] {
			c.Missing = append(c.Missing, "slots ("+s.Prefix+s.When+")")
		}
	}
	return c
}

// Names are the mapping's names of a column, none where it does not name it.
func (c *Columns) Names(column int) []string { return c.names[column] }

// At returns the column of a name of the mapping, -1 where there is none.
func (c *Columns) At(name string) int {
	if i, ok := c.at[name]; ok {
		return i
	}
	return -1
}

// Sources are the source's names of the fields that a field of the event is made
// of, in order of preference: "vaccination.date" → those of dose.date.
func (m *Mapping) Sources(path string) []string {
	var out []string
	for f := range m.fields() {
		if rest, ok := strings.CutPrefix(path, f.event); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			out = append(out, f.rule.From...)
		}
	}
	return out
}

// CheckFile refuses a mapping that files cannot be read with: their rows have no
// stages and no states, and no id but what a column holds.
func (m *Mapping) CheckFile() error {
	var faults []vaccination.Fault
	add := func(path, message string) {
		faults = append(faults, vaccination.Fault{Path: path, Code: "not-in-files", Message: message})
	}
	if len(m.Stages) > 0 || len(m.Ignore) > 0 {
		add("stages", "rows of a file have no stages: find the number of the dose by a rule, with codes, or in slots")
	}
	if len(m.Statuses) > 0 {
		add("statuses", "rows of a file have no states: leave out of the file what was not given")
	}
	if len(m.Person.Types) > 0 {
		add("person.types", "rows of a file are of one kind")
	}
	if len(m.Person.Code.From) == 0 {
		add("person.code", "say in which column it is: a number that the person keeps, by which their next dose and a correction are recognised")
	}
	for name := range m.wanted() {
		if fold(name) == "errors" {
			add("errors", "no column may have this name: it is that of the reasons in error files")
		}
	}
	if len(faults) > 0 {
		return &vaccination.Error{Code: vaccination.Invalid, Message: "files cannot be read with this mapping", Faults: faults}
	}
	return nil
}

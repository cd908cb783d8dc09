package rdfc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"slices"
	"strconv"
	"strings"
)

// ErrWork means that telling the blank nodes of a dataset apart took more than
// [Options].Work steps. No dataset of a certificate comes near; some are made
// so on purpose ("RDF Dataset Canonicalization", section 7.1).
var ErrWork = errors.New("too much work to canonicalise")

// DefaultWork is the bound on work that [Options] means by zero.
const DefaultWork = 20_000

// Options says how to canonicalise. The zero value is RDFC-1.0 with SHA-256.
type Options struct {
	Hash func() hash.Hash // nil means SHA-256
	// URDNA2015 escapes literals as that draft did: only '"', '\', LF and CR.
	// The proof suites of 2018 are over that form.
	URDNA2015 bool
	// Work bounds the recursive calls and the permutations tried; 0 means
	// [DefaultWork].
	Work int
}

// Canonicalize returns the canonical N-Quads of a dataset and the canonical
// label ("c14n0") that each of its blank nodes got (RDFC-1.0, section 4.4.3).
// The only error is [ErrWork].
func Canonicalize(quads []Quad, o Options) (nquads []byte, labels map[string]string, err error) {
	c := canon{
		mentions:  map[string][]int{},
		canonical: issuer{prefix: "c14n", ids: map[string]string{}},
		legacy:    o.URDNA2015,
		work:      o.Work,
	}
	if c.work == 0 {
		c.work = DefaultWork
	}
	if o.Hash == nil {
		o.Hash = sha256.New
	}
	c.hash = o.Hash()
	c.load(quads)
	if err := c.label(); err != nil {
		return nil, nil, err
	}
	all := make([]int, len(c.lines))
	for i := range all {
		all[i] = i
	}
	lines := c.sorted(all, func(label string) string { return c.canonical.ids[label] })
	return slices.Concat(lines...), c.canonical.ids, nil
}

// canon is the canonicalisation state (RDFC-1.0, section 4.3).
type canon struct {
	lines     []line           // the dataset, each statement once
	mentions  map[string][]int // blank node → its statements
	first     map[string]string
	canonical issuer
	hash      hash.Hash
	legacy    bool
	work      int
	buf       []byte // of sorted, with where its lines end
	ends      []int
	sort      [][]byte // its result
}

// line is a statement in N-Quads, blank nodes under the labels they came with.
type line struct {
	text  string
	slots slots
	quad  *Quad
}

// node returns the label of the i-th blank node, of three: subject, object,
// graph; "" where that is none.
func (l *line) node(i int) string {
	if l.slots[i] == 0 {
		return ""
	}
	return [...]*Term{&l.quad.Subject, &l.quad.Object, &l.quad.Graph}[i].Value
}

// issuer gives identifiers in the order they are first asked for (section 4.5).
type issuer struct {
	prefix string
	ids    map[string]string
	order  []string
}

func (s *issuer) issue(label string) string {
	id, ok := s.ids[label]
	if !ok {
		id = s.prefix + strconv.Itoa(len(s.order))
		s.ids[label] = id
		s.order = append(s.order, label)
	}
	return id
}

func (s *issuer) clone() *issuer {
	ids := make(map[string]string, len(s.ids)+1)
	for k, v := range s.ids {
		ids[k] = v
	}
	return &issuer{prefix: s.prefix, ids: ids, order: slices.Clone(s.order)}
}

// load keeps each statement once and notes which blank nodes it mentions.
func (c *canon) load(quads []Quad) {
	ends, places := make([]int, len(quads)), make([]slots, len(quads))
	buf := make([]byte, 0, 128*len(quads))
	for i := range quads {
		buf, places[i] = appendLine(buf, &quads[i], c.legacy)
		ends[i] = len(buf)
	}
	all, start := string(buf), 0
	seen := make(map[string]struct{}, len(quads))
	c.lines, c.ends, c.sort = make([]line, 0, len(quads)), make([]int, 0, len(quads)), make([][]byte, 0, len(quads))
	c.buf = make([]byte, 0, len(all)+16*len(quads)) // labels grow a little
	for i, end := range ends {
		l := line{all[start:end], places[i], &quads[i]}
		start = end
		if _, dup := seen[l.text]; dup {
			continue
		}
		seen[l.text] = struct{}{}
		for k := range l.slots {
			if node := l.node(k); node != "" {
				if m := c.mentions[node]; len(m) == 0 || m[len(m)-1] != len(c.lines) {
					c.mentions[node] = append(m, len(c.lines))
				}
			}
		}
		c.lines = append(c.lines, l)
	}
}

// sorted returns some of the lines, under other labels, in code point order.
// They hold until the next call.
func (c *canon) sorted(which []int, label func(string) string) [][]byte {
	c.buf, c.ends, c.sort = c.buf[:0], c.ends[:0], c.sort[:0]
	for _, k := range which {
		l, at := &c.lines[k], 0
		for s, slot := range l.slots {
			if slot == 0 {
				continue
			}
			node := l.node(s)
			c.buf = append(append(c.buf, l.text[at:slot]...), label(node)...)
			at = slot + len(node)
		}
		c.buf = append(c.buf, l.text[at:]...)
		c.ends = append(c.ends, len(c.buf))
	}
	start := 0
	for _, end := range c.ends { // now that buf has stopped growing
		c.sort = append(c.sort, c.buf[start:end])
		start = end
	}
	slices.SortFunc(c.sort, bytes.Compare)
	return c.sort
}

// label issues the canonical labels (section 4.4.3, steps 3 to 5).
func (c *canon) label() error {
	c.first = make(map[string]string, len(c.mentions))
	byHash := make(map[string][]string, len(c.mentions))
	for node := range c.mentions {
		h := c.firstDegree(node)
		c.first[node] = h
		byHash[h] = append(byHash[h], node)
	}
	var tied []string
	for _, h := range sortedKeys(byHash) {
		if nodes := byHash[h]; len(nodes) == 1 {
			c.canonical.issue(nodes[0])
		} else {
			tied = append(tied, h)
		}
	}
	for _, h := range tied {
		var results []result
		for _, node := range byHash[h] {
			if _, done := c.canonical.ids[node]; done {
				continue
			}
			temp := &issuer{prefix: "b", ids: map[string]string{}}
			temp.issue(node)
			r, err := c.nDegree(node, temp)
			if err != nil {
				return err
			}
			results = append(results, r)
		}
		slices.SortFunc(results, func(a, b result) int { return strings.Compare(a.hash, b.hash) })
		for _, r := range results {
			for _, node := range r.issuer.order {
				c.canonical.issue(node)
			}
		}
	}
	return nil
}

// firstDegree hashes the statements about one blank node (section 4.6.3).
func (c *canon) firstDegree(node string) string {
	label := func(s string) string {
		if s == node {
			return "a"
		}
		return "z"
	}
	return c.sum(c.sorted(c.mentions[node], label)...)
}

func (c *canon) sum(parts ...[]byte) string {
	c.hash.Reset()
	for _, p := range parts {
		c.hash.Write(p)
	}
	return hex.EncodeToString(c.hash.Sum(nil))
}

// related hashes how a node is related to the one being looked at (section 4.7.3).
func (c *canon) related(node string, q *Quad, temp *issuer, position byte) string {
	in := []byte{position}
	if position != 'g' {
		in = append(in, '<')
		in = append(in, q.Predicate.Value...)
		in = append(in, '>')
	}
	if id, ok := c.canonical.ids[node]; ok {
		in = append(in, "_:"+id...)
	} else if id, ok := temp.ids[node]; ok {
		in = append(in, "_:"+id...)
	} else {
		in = append(in, c.first[node]...)
	}
	return c.sum(in)
}

type result struct {
	hash   string
	issuer *issuer
}

func (c *canon) spend() error {
	if c.work--; c.work < 0 {
		return ErrWork
	}
	return nil
}

// nDegree hashes a blank node by its neighbours, and theirs (section 4.8.3).
func (c *canon) nDegree(node string, temp *issuer) (result, error) {
	if err := c.spend(); err != nil {
		return result{}, err
	}
	groups := map[string][]string{}
	for _, i := range c.mentions[node] {
		l := &c.lines[i]
		for k := range l.slots {
			if other := l.node(k); other != "" && other != node {
				h := c.related(other, l.quad, temp, "sog"[k])
				groups[h] = append(groups[h], other)
			}
		}
	}
	var data strings.Builder
	for _, h := range sortedKeys(groups) {
		data.WriteString(h)
		path, chosen, err := c.shortestPath(groups[h], temp)
		if err != nil {
			return result{}, err
		}
		data.WriteString(path)
		temp = chosen
	}
	return result{c.sum([]byte(data.String())), temp}, nil
}

// shortestPath tries every order of the nodes and returns the least path with
// the identifiers issued along it (section 4.8.3, step 5.4).
func (c *canon) shortestPath(nodes []string, temp *issuer) (best string, chosen *issuer, err error) {
	slices.Sort(nodes)
	for more := true; more; more = nextPermutation(nodes) {
		if err := c.spend(); err != nil {
			return "", nil, err
		}
		path, try, err := c.path(nodes, temp.clone(), best)
		if err != nil {
			return "", nil, err
		}
		if try != nil && (chosen == nil || path < best) {
			best, chosen = path, try
		}
	}
	return best, chosen, nil
}

// path builds the path of one order of nodes. The issuer is nil when the path
// cannot become less than best.
func (c *canon) path(nodes []string, temp *issuer, best string) (string, *issuer, error) {
	path := ""
	worse := func() bool { return best != "" && len(path) >= len(best) && path > best }
	var open []string
	for _, node := range nodes {
		if id, ok := c.canonical.ids[node]; ok {
			path += "_:" + id
		} else {
			if _, ok := temp.ids[node]; !ok {
				open = append(open, node)
			}
			path += "_:" + temp.issue(node)
		}
		if worse() {
			return "", nil, nil
		}
	}
	for _, node := range open {
		r, err := c.nDegree(node, temp)
		if err != nil {
			return "", nil, err
		}
		path += "_:" + temp.issue(node) + "<" + r.hash + ">"
		temp = r.issuer
		if worse() {
			return "", nil, nil
		}
	}
	return path, temp, nil
}

// nextPermutation puts s into its next order; false after the last.
func nextPermutation(s []string) bool {
	i := len(s) - 2
	for i >= 0 && s[i] >= s[i+1] {
		i--
	}
	if i < 0 {
		return false
	}
	j := len(s) - 1
	for s[j] <= s[i] {
		j--
	}
	s[i], s[j] = s[j], s[i]
	slices.Reverse(s[i+1:])
	return true
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

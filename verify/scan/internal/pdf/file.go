package pdf

import (
	"bytes"
	"context"
	"strconv"
)

// place is where an object is: at an offset of the file, or the index-th in the
// object stream in.
type place struct {
	offset int
	in     int // number of the object stream, 0 for none
	index  int
}

// file is an opened PDF file. Objects are parsed when they are asked for.
type file struct {
	ctx     context.Context
	data    []byte
	where   map[int]place
	trailer dict
	parsed  map[int]any
	packed  map[int][]any // objects of the object streams unpacked so far, by stream
	numbers map[int][]int // their object numbers
	// What was used of the bounds.
	read, streams, inflated, ops, painted int
}

// open finds the objects of data, by its cross-reference sections or, where
// these do not lead to pages, by searching.
func open(ctx context.Context, data []byte) (*file, error) {
	f := &file{ctx: ctx, data: data}
	f.reset()
	err := f.sections()
	if err == nil && f.trailer["Encrypt"] != nil {
		return nil, ErrEncrypted
	}
	if err != nil || f.root() == nil {
		if err := f.search(); err != nil {
			return nil, err
		}
	}
	if f.trailer["Encrypt"] != nil {
		return nil, ErrEncrypted
	}
	if f.root() == nil {
		return nil, ErrDamaged
	}
	return f, nil
}

func (f *file) reset() {
	f.where, f.trailer = map[int]place{}, dict{}
	f.parsed, f.packed, f.numbers = map[int]any{}, map[int][]any{}, map[int][]int{}
}

// root is the page tree's dictionary.
func (f *file) root() dict {
	catalog, _ := f.get(f.trailer["Root"]).(dict)
	pages, _ := f.get(catalog["Pages"]).(dict)
	return pages
}

// sections reads the chain of cross-reference sections (7.5.4, 7.5.8), newest
// first: what a newer one says of an object stands.
func (f *file) sections() error {
	tail := f.data[max(0, len(f.data)-2048):]
	i := bytes.LastIndex(tail, []byte("startxref"))
	if i < 0 {
		return ErrDamaged
	}
	l := lexer{data: tail, pos: i + len("startxref")}
	at, ok := l.next(0).(float64)
	seen := map[int]bool{}
	for ok {
		offset := int(at)
		if offset < 0 || offset >= len(f.data) || seen[offset] || len(seen) > 64 {
			return ErrDamaged
		}
		seen[offset] = true
		d, err := f.section(offset)
		if err != nil {
			return err
		}
		for k, v := range d {
			if _, newer := f.trailer[k]; !newer {
				f.trailer[k] = v
			}
		}
		// A hybrid file's stream (7.5.8.4) lists what its table hides.
		if hidden, has := d["XRefStm"].(float64); has && int(hidden) > 0 && int(hidden) < len(f.data) && !seen[int(hidden)] {
			seen[int(hidden)] = true
			if _, err := f.section(int(hidden)); err != nil {
				return err
			}
		}
		at, ok = d["Prev"].(float64)
	}
	if len(seen) == 0 {
		return ErrDamaged
	}
	return nil
}

func (f *file) section(offset int) (dict, error) {
	l := &lexer{data: f.data, pos: offset, refs: true}
	l.skip()
	if bytes.HasPrefix(f.data[l.pos:], []byte("xref")) {
		l.pos += len("xref")
		return f.table(l)
	}
	_, v := f.object(offset)
	s, ok := v.(*stream)
	if !ok || s.dict["Type"] != name("XRef") {
		return nil, ErrDamaged
	}
	return s.dict, f.crossReferences(s)
}

func (f *file) list(num int, p place) error {
	if _, newer := f.where[num]; newer {
		return nil
	}
	if len(f.where) >= maxObjects {
		return ErrLimit
	}
	f.where[num] = p
	return nil
}

func (f *file) table(l *lexer) (dict, error) {
	for {
		l.skip()
		w := l.word()
		if w == "trailer" {
			d, ok := l.next(0).(dict)
			if !ok {
				return nil, ErrDamaged
			}
			return d, nil
		}
		first, err1 := strconv.Atoi(w)
		l.skip()
		count, err2 := strconv.Atoi(l.word())
		if err1 != nil || err2 != nil || first < 0 || count < 0 {
			return nil, ErrDamaged
		}
		for i := range count {
			l.skip()
			offset, err := strconv.Atoi(l.word())
			l.skip()
			_ = l.word()
			l.skip()
			kind := l.word()
			if err != nil || kind != "n" && kind != "f" {
				return nil, ErrDamaged
			}
			if kind == "n" && offset > 0 {
				if err := f.list(first+i, place{offset: offset}); err != nil {
					return nil, err
				}
			}
		}
	}
}

// crossReferences reads a cross-reference stream's entries (7.5.8.3).
func (f *file) crossReferences(s *stream) error {
	widths, _ := s.dict["W"].(array)
	if len(widths) != 3 {
		return ErrDamaged
	}
	var w [3]int
	for i := range w {
		n, _ := widths[i].(float64)
		if n < 0 || n > 8 {
			return ErrDamaged
		}
		w[i] = int(n)
	}
	index, _ := s.dict["Index"].(array)
	if index == nil {
		index = array{0.0, s.dict["Size"]}
	}
	data, err := f.decode(s)
	if err != nil {
		return err
	}
	size := w[0] + w[1] + w[2]
	if size == 0 {
		return ErrDamaged
	}
	field := func(n int, otherwise int) int {
		v := 0
		for _, b := range data[:n] {
			v = v<<8 | int(b)
		}
		if data = data[n:]; n == 0 {
			return otherwise
		}
		return v
	}
	for i := 0; i+1 < len(index); i += 2 {
		first, _ := index[i].(float64)
		count, _ := index[i+1].(float64)
		for j := 0; j < int(count) && len(data) >= size; j++ {
			kind, a, b := field(w[0], 1), field(w[1], 0), field(w[2], 0)
			var err error
			switch kind {
			case 1:
				err = f.list(int(first)+j, place{offset: a})
			case 2:
				err = f.list(int(first)+j, place{in: a, index: b})
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// search lists every "n g obj" of the file, the last of a number counting, and
// joins all trailers: how damaged files are read.
func (f *file) search() error {
	f.reset()
	found := map[int]place{}
	var packed []int
	for pos := 0; ; {
		i := bytes.Index(f.data[pos:], []byte("obj"))
		if i < 0 {
			break
		}
		at := pos + i
		pos = at + 3
		num, start, ok := f.header(at)
		if !ok {
			continue
		}
		if len(found) >= maxObjects || f.ctx.Err() != nil {
			return ErrLimit
		}
		found[num] = place{offset: start}
	}
	f.where = found
	for num := range found {
		s, ok := f.get(ref{num: num}).(*stream)
		switch {
		case !ok:
			if d, ok := f.parsed[num].(dict); ok && d["Type"] == name("Catalog") && f.trailer["Root"] == nil {
				f.trailer["Root"] = ref{num: num}
			}
		case s.dict["Type"] == name("ObjStm"):
			packed = append(packed, num)
		case s.dict["Type"] == name("XRef"):
			f.join(s.dict)
		}
	}
	for _, num := range packed {
		objects := f.unpack(num)
		for i, n := range f.numbers[num] {
			if _, has := f.where[n]; !has && i < len(objects) && len(f.where) < maxObjects {
				f.where[n] = place{in: num, index: i}
				if d, ok := objects[i].(dict); ok && d["Type"] == name("Catalog") && f.trailer["Root"] == nil {
					f.trailer["Root"] = ref{num: n}
				}
			}
		}
	}
	for rest := f.data; ; {
		i := bytes.Index(rest, []byte("trailer"))
		if i < 0 {
			return nil
		}
		rest = rest[i+len("trailer"):]
		l := lexer{data: rest, refs: true}
		if d, ok := l.next(0).(dict); ok {
			f.join(d)
		}
	}
}

func (f *file) join(d dict) {
	for _, k := range []name{"Root", "Encrypt"} {
		if v, has := d[k]; has {
			f.trailer[k] = v
		}
	}
}

// header looks back from the "obj" at position at for the two numbers before it.
func (f *file) header(at int) (num, start int, ok bool) {
	back := func(i int) (string, int) {
		for i > 0 && space(f.data[i-1]) {
			i--
		}
		e := i
		for i > 0 && e-i < 10 && f.data[i-1] >= '0' && f.data[i-1] <= '9' {
			i--
		}
		return string(f.data[i:e]), i
	}
	gen, i := back(at)
	n, i := back(i)
	num, err := strconv.Atoi(n)
	return num, i, err == nil && gen != ""
}

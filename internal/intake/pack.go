package intake

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxArrival bounds the body of one arrival, in bytes. What a source may send at
// once is bounded by its door.
const maxArrival = 32 << 20

// packed is what is stored of an arrival beside its body.
type packed struct {
	ContentType string            `json:"type,omitempty"`
	Hints       map[string]string `json:"hints,omitempty"`
}

// packer makes few bytes of an arrival.
type packer struct {
	once sync.Once
	enc  *zstd.Encoder
	dec  *zstd.Decoder
	err  error
}

func (p *packer) open() error {
	p.once.Do(func() {
		if p.enc, p.err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithLowerEncoderMem(true)); p.err != nil {
			return
		}
		p.dec, p.err = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxArrival+1<<20), zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true))
	})
	return p.err
}

// plain is the one form of an arrival that its hash is taken of.
func plain(a Arrival) ([]byte, error) {
	head, err := json.Marshal(packed{a.ContentType, a.Hints})
	if err != nil {
		return nil, err
	}
	out := binary.AppendUvarint(make([]byte, 0, len(head)+len(a.Body)+4), uint64(len(head)))
	return append(append(out, head...), a.Body...), nil
}

func (p *packer) pack(plain []byte) ([]byte, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	return p.enc.EncodeAll(plain, make([]byte, 0, len(plain)/3+64)), nil
}

// unpack is the inverse of plain and pack.
func (p *packer) unpack(b []byte) (a Arrival, err error) {
	if err := p.open(); err != nil {
		return a, err
	}
	if b, err = p.dec.DecodeAll(b, nil); err != nil {
		return a, err
	}
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return a, errors.New("intake: a stored arrival has no head")
	}
	var head packed
	if err := json.Unmarshal(b[used:used+int(n)], &head); err != nil {
		return a, err
	}
	return Arrival{ContentType: head.ContentType, Hints: head.Hints, Body: b[used+int(n):]}, nil
}

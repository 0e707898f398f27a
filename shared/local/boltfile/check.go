package boltfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math"
)

// bbolt does not check its file. It maps the file into memory and follows its references.
// So a damaged page causes a panic, a loop, a memory fault that no recover catches (also
// in bbolt's own Check, which runs in another goroutine), or a wrong record that nobody
// notices. So the file is read once before bbolt opens it, and every length and every
// reference is checked. 100 MB take about a tenth of a second.
//
// The layout is that of bbolt 1.5 (internal/common: page.go, meta.go, inode.go),
// which has not changed since version 2 of the file. All numbers have the byte
// order of the machine.
const (
	magic      = 0xED0CDAED
	version    = 2
	noFreelist = math.MaxUint64

	pageHeader    = 16 // id 8, flags 2, count 2, overflow 4
	element       = 16 // of a branch: pos 4, key size 4, page 8; of a leaf: flags 4, pos 4, key size 4, value size 4
	bucketHeader  = 16 // root page 8, sequence 8
	metaBytes     = 64
	metaChecksum  = 56 // its position, and the number of bytes that it is about
	branchPage    = 0x01
	leafPage      = 0x02
	freelistPage  = 0x10
	leafBucket    = 0x01
	manyFreePages = 0xFFFF // this count means that the first entry is the real count

	minPageSize = 512
	maxPageSize = 1 << 24
)

var order = binary.NativeEndian

// meta is one of the two pages that refer to all others.
type meta struct {
	pageSize int
	root     uint64
	freelist uint64
	pages    uint64 // the number of pages
	txid     uint64
}

// checker walks through a file.
type checker struct {
	file  io.ReaderAt
	meta  meta
	used  []bool // pages that something refers to
	nodes [][]byte
}

// check reads a file of size bytes and returns an error if it is damaged.
func check(file io.ReaderAt, size int64) error {
	m, err := readMeta(file, size)
	if err != nil {
		return err
	}
	if wanted := m.pages * uint64(m.pageSize); m.pages > math.MaxInt64/maxPageSize || uint64(size) < wanted {
		return fmt.Errorf("it has been cut: it has %d bytes of %d", size, wanted)
	}
	c := &checker{file: file, meta: m, used: make([]bool, m.pages)}
	c.used[0], c.used[1] = true, true
	if err := c.tree(m.root, nil, nil, 0); err != nil {
		return err
	}
	return c.freelist()
}

// readMeta reads the newer of the undamaged meta pages. A crash may have damaged one of the
// two; then the other one has the state of one change earlier.
func readMeta(file io.ReaderAt, size int64) (newest meta, err error) {
	found := false
	consider := func(at int64) (pageSize int) {
		m, ok := metaAt(file, at)
		if ok && (at == 0 || int64(m.pageSize) == at) && (!found || m.txid > newest.txid) {
			newest, found = m, true
		}
		return m.pageSize
	}
	if pageSize := consider(0); found {
		consider(int64(pageSize))
	} else {
		for at := int64(minPageSize); at <= maxPageSize && at < size; at *= 2 {
			consider(at)
		}
	}
	if !found {
		return meta{}, fmt.Errorf("it does not begin like a database")
	}
	if newest.pages < 4 {
		return meta{}, fmt.Errorf("it says that it has %d pages", newest.pages)
	}
	return newest, nil
}

// metaAt reads the meta page at a place.
func metaAt(file io.ReaderAt, at int64) (meta, bool) {
	page := make([]byte, pageHeader+metaBytes)
	if _, err := file.ReadAt(page, at); err != nil {
		return meta{}, false
	}
	body := page[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(body[:metaChecksum])
	m := meta{pageSize: int(order.Uint32(body[8:])), root: order.Uint64(body[16:]), freelist: order.Uint64(body[32:]), pages: order.Uint64(body[40:]), txid: order.Uint64(body[48:])}
	return m, order.Uint32(body) == magic && order.Uint32(body[4:]) == version && order.Uint64(body[metaChecksum:]) == sum.Sum64() &&
		m.pageSize >= minPageSize && m.pageSize <= maxPageSize && m.pageSize&(m.pageSize-1) == 0
}

// node reads a page of one of the kinds with its overflow pages. It reuses one buffer for
// each depth.
func (c *checker) node(id uint64, depth int, kinds ...uint16) (node []byte, kind uint16, err error) {
	if id < 2 || id >= c.meta.pages {
		return nil, 0, fmt.Errorf("it refers to page %d of %d", id, c.meta.pages)
	}
	for len(c.nodes) <= depth {
		c.nodes = append(c.nodes, nil)
	}
	var header [pageHeader]byte
	if _, err := c.file.ReadAt(header[:], int64(id)*int64(c.meta.pageSize)); err != nil {
		return nil, 0, fmt.Errorf("page %d cannot be read: %w", id, err)
	}
	kind = order.Uint16(header[8:])
	more := uint64(order.Uint32(header[12:]))
	if order.Uint64(header[:]) != id || !contains(kinds, kind) || more >= c.meta.pages-id {
		return nil, 0, fmt.Errorf("page %d is not what it should be", id)
	}
	for page := id; page <= id+more; page++ {
		if c.used[page] {
			return nil, 0, fmt.Errorf("page %d is used twice", page)
		}
		c.used[page] = true
	}
	size := int(more+1) * c.meta.pageSize
	if cap(c.nodes[depth]) < size {
		c.nodes[depth] = make([]byte, size)
	}
	node = c.nodes[depth][:size]
	if _, err := c.file.ReadAt(node, int64(id)*int64(c.meta.pageSize)); err != nil {
		return nil, 0, fmt.Errorf("page %d cannot be read: %w", id, err)
	}
	return node, kind, nil
}

func contains(kinds []uint16, kind uint16) bool {
	for _, k := range kinds {
		if k == kind {
			return true
		}
	}
	return false
}

// tree walks through the tree below a page. All of its keys must be at least low and less
// than high; nil is no bound.
func (c *checker) tree(id uint64, low, high []byte, depth int) error {
	node, kind, err := c.node(id, depth, branchPage, leafPage)
	if err != nil {
		return err
	}
	count := int(order.Uint16(node[10:]))
	if kind == leafPage {
		return c.leaf(id, node, count, low, high, depth)
	}
	if count == 0 {
		return fmt.Errorf("page %d is a branch without children", id)
	}
	var keys [][]byte
	for i := range count {
		key, _, ok := cut(node, i, count, 0, 4, 0)
		if !ok {
			return fmt.Errorf("page %d is damaged in its entry %d", id, i)
		}
		keys = append(keys, key)
	}
	for i, key := range keys {
		next := high
		if i+1 < count {
			next = keys[i+1]
		}
		if !between(key, low, high) || (i+1 < count && bytes.Compare(key, next) >= 0) {
			return fmt.Errorf("page %d is not in order at its entry %d", id, i)
		}
		child := order.Uint64(node[pageHeader+i*element+8:])
		if err := c.tree(child, key, next, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// leaf walks through the entries of a leaf, and the buckets among them.
func (c *checker) leaf(id uint64, node []byte, count int, low, high []byte, depth int) error {
	var before []byte
	for i := range count {
		key, value, ok := cut(node, i, count, 4, 8, 12)
		flags := order.Uint32(node[min(pageHeader+i*element, len(node)-4):])
		if !ok || len(key) == 0 || flags > leafBucket {
			return fmt.Errorf("page %d is damaged in its entry %d", id, i)
		}
		if !between(key, low, high) || (i > 0 && bytes.Compare(before, key) >= 0) {
			return fmt.Errorf("page %d is not in order at its entry %d", id, i)
		}
		before = key
		if flags == leafBucket {
			if err := c.bucket(id, value, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// bucket walks through a bucket: it is a tree, or, if it is small, a leaf within the
// value.
func (c *checker) bucket(id uint64, value []byte, depth int) error {
	if len(value) < bucketHeader {
		return fmt.Errorf("page %d has a bucket that is damaged", id)
	}
	if root := order.Uint64(value); root != 0 {
		return c.tree(root, nil, nil, depth+1)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || order.Uint16(inline[8:]) != leafPage {
		return fmt.Errorf("page %d has a small bucket that is damaged", id)
	}
	return c.leaf(id, inline, int(order.Uint16(inline[10:])), nil, nil, depth)
}

// cut returns key and value of entry i of a node. pos, keySize and valueSize are the
// offsets of these fields within the entry; a valueSize of 0 means that there is no
// value. ok is false if the entry is not within the node.
func cut(node []byte, i, count, pos, keySize, valueSize int) (key, value []byte, ok bool) {
	start := pageHeader + i*element
	if pageHeader+count*element > len(node) {
		return nil, nil, false
	}
	from := uint64(start) + uint64(order.Uint32(node[start+pos:]))
	middle := from + uint64(order.Uint32(node[start+keySize:]))
	end := middle
	if valueSize != 0 {
		end += uint64(order.Uint32(node[start+valueSize:]))
	}
	if from < uint64(pageHeader+count*element) || end > uint64(len(node)) {
		return nil, nil, false
	}
	return node[from:middle], node[middle:end], true
}

// between reports whether a key is within bounds.
func between(key, low, high []byte) bool {
	return (low == nil || bytes.Compare(key, low) >= 0) && (high == nil || bytes.Compare(key, high) < 0)
}

// freelist checks the list of free pages: a page on it that is in use would be overwritten
// by the next change.
func (c *checker) freelist() error {
	if c.meta.freelist == noFreelist {
		return nil
	}
	node, _, err := c.node(c.meta.freelist, 0, freelistPage)
	if err != nil {
		return err
	}
	ids, count := node[pageHeader:], uint64(order.Uint16(node[10:]))
	if count == manyFreePages {
		count, ids = order.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return fmt.Errorf("the list of free pages is damaged")
	}
	for i := range count {
		free := order.Uint64(ids[i*8:])
		if free < 2 || free >= c.meta.pages || c.used[free] {
			return fmt.Errorf("page %d is in the list of free pages and cannot be free", free)
		}
		c.used[free] = true
	}
	return nil
}

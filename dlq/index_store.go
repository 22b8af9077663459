package dlq

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// IndexStore keeps what an index knows of one queue: bytes by name. [github.com/redeliver/redeliver/dlq/indexfile] is one in
// a file, [github.com/redeliver/redeliver/dlq/indexredis] one in Redis. Its methods may be called concurrently. What it
// lost, or never had, is read again from the topics: it need not be safe, only all or nothing.
type IndexStore interface {
	// View calls f with what is stored. All that f gets is of one time where the store can do that.
	View(ctx context.Context, f func(IndexView) error) error
	// Update calls f and stores what it puts and deletes, all of it or, when f or the store fails, nothing. Where another process
	// has stored something since f read it, the error is ErrIndexMoved, and the caller begins again.
	Update(ctx context.Context, f func(IndexUpdate) error) error
	// Clear forgets everything.
	Clear(ctx context.Context) error
}

// IndexCompactor is an [IndexStore] that has bytes of what was replaced or deleted for a while. It is asked to compact itself when they must not be there any more.
type IndexCompactor interface {
	// Compact leaves nothing of what was replaced or deleted before. What is stored stays, whether it fails or not.
	Compact(ctx context.Context) error
}

// IndexHolder is an [IndexStore] that lets other processes have it when it was not used for a while. It is asked to hold it while the index catches up with
// the topics, which may be long in coming: another process would read the same meanwhile.
type IndexHolder interface {
	Hold() (release func())
}

// IndexView reads from an [IndexStore]. It may be used concurrently.
type IndexView interface {
	// Get returns the values of the names, nil for one that is not there. They must not be changed, nor used after the call that
	// the view was given to.
	Get(names ...string) ([][]byte, error)
}

// IndexUpdate changes an [IndexStore]. What was put is seen by Get.
type IndexUpdate interface {
	IndexView
	// Put takes the value over.
	Put(name string, value []byte) error
	Delete(names ...string) error
}

var (
	// ErrIndexDamaged is what the error of an [IndexStore] is whose content cannot be read. It is cleared and built anew.
	ErrIndexDamaged = errors.New("damaged")
	// ErrIndexMoved is the error of an update that another process was quicker with.
	ErrIndexMoved = errors.New("changed by another process meanwhile")
)

// firstSums is what all was summed by before version 15 of the index, and what says the version still is. Package crc32 reads three stretches at a time for
// it, which are not fetched ahead: of memory that is in no cache 8.6 GB a second, and 29 by the other one.
var firstSums = crc32.MakeTable(crc32.Castagnoli)

// sumOf is the checksum of what an index holds.
func sumOf(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// hasSum says whether that is its checksum, also of what an earlier release wrote.
func hasSum(b []byte, sum uint32) bool {
	return sumOf(b) == sum || crc32.Checksum(b, firstSums) == sum
}

// sealed puts a checksum behind the bytes.
func sealed(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, sumOf(b)) }

// sealedForAll is sealed in a way that earlier releases read, too: they leave an index to the one that wrote it.
func sealedForAll(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, firstSums))
}

// unsealed takes it off again.
func unsealed(name string, b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, fmt.Errorf("%w: %s is not there", ErrIndexDamaged, name)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if !hasSum(body, sum) {
		return nil, fmt.Errorf("%w: %s is not what was written", ErrIndexDamaged, name)
	}
	return body, nil
}

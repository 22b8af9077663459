package main

import (
	"context"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9/logging"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/dlq/indexfile"
	"github.com/redeliver/redeliver/dlq/indexredis"
	"github.com/redeliver/redeliver/internal/config"
)

// indexPatience is how long a command waits for another one that has the index open, before it reads the topics.
const indexPatience = 2 * time.Second

const (
	// indexIdle is after how long without use a command leaves an index to others, as a replay does that keeps a rate or waits for outcomes.
	indexIdle = 500 * time.Millisecond
	// indexAgain is how long it waits then for who has it when it needs more of it: it cannot read the topics instead, for it has begun.
	indexAgain = time.Minute
)

// indexes are those of the queues that a command works on.
type indexes struct {
	program *program
	config  config.Index
	cluster string // its id, for two clusters may have topics of one name
	dir     string
	redis   *indexredis.Client
	files   []*indexfile.File

	warn     func(why string)
	progress func(topic string) func(read, total int64)
	partial  func() // an answer leaves out what only an index keeps
}

// openIndexes makes ready for what the configuration says, and tells people of it. Nothing is opened before it is needed. The caller closes it.
func (p *program) openIndexes(ctx context.Context, c *config.Config, client *kgo.Client) (*indexes, error) {
	x := &indexes{program: p, config: c.Index, warn: func(why string) { fmt.Fprintln(p.err, why) }, progress: p.indexing, partial: func() { p.partial.Store(true) }}
	meta, err := kadm.NewClient(client).BrokerMetadata(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask which cluster it is: %w", err)
	}
	x.cluster = notInNames.ReplaceAllString(meta.Cluster, "_")
	switch c.Index.Kind {
	case "redis":
		logging.Disable() // the client's own lines: what fails is told as an error
		r := c.Index.Redis
		dial, err := r.Dialer()
		if err != nil {
			return nil, err
		}
		x.redis = indexredis.New(indexredis.Options{Address: r.Address, Username: r.Username, Password: r.Password, DB: r.DB, Dial: dial})
	default:
		if x.dir = c.Index.Path; x.dir == "" {
			cache, err := p.cacheDir()
			if err != nil { // a service without a home: it is as good without an index
				fmt.Fprintf(p.err, "without an index of dead letters, for there is no cache directory (%v): say where with index.path, or index.kind: none\n", err)
				return nil, nil
			}
			x.dir = filepath.Join(cache, "redeliver")
		}
	}
	return x, nil
}

// cacheDir is the user's.
func (p *program) cacheDir() (string, error) {
	if dir, ok := p.getenv("XDG_CACHE_HOME"); ok && filepath.IsAbs(dir) {
		return dir, nil
	}
	return os.UserCacheDir()
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// option is the index of one queue, without what is redacted of it.
func (x *indexes) option(topic string, redact *dlq.Redaction) dlq.Option {
	ix := dlq.Index{Keep: x.config.Keep, Redaction: redact, Warn: x.warn, Progress: x.progress(topic), Partial: x.partial}
	if x.redis != nil {
		ix.Store = x.redis.Store("redeliver:index:" + x.cluster + ":" + topic)
	} else {
		name := x.cluster + "-" + topic
		if len(name) > 240 { // names of files are short
			name = fmt.Sprintf("%s-%08x", name[:230], crc32.ChecksumIEEE([]byte(name)))
		}
		file := indexfile.At(filepath.Join(x.dir, name+".index"), indexfile.Options{Patience: indexPatience, Idle: indexIdle, Again: indexAgain, Warn: x.warn})
		x.files = append(x.files, file)
		ix.Store = file
	}
	return dlq.Indexed(ix)
}

// indexing shows how far the index is, where that takes long.
func (p *program) indexing(topic string) func(read, total int64) {
	var bar *progress
	return func(read, total int64) {
		if bar == nil {
			bar = p.newProgress("indexing "+topic, total)
		}
		bar.grow(total)
		bar.set(read, "")
		if read == total {
			bar.end()
			bar = nil
		}
	}
}

// letIndexesGo has other commands have the files of the indexes, while this one waits for a person, as long as that may take. What is under way with them ends
// first, and whatever needs one opens it again.
func (p *program) letIndexesGo() {
	if p.indexes != nil {
		p.indexes.closeFiles()
	}
}

func (x *indexes) closeFiles() {
	for _, file := range x.files {
		_ = file.Close() // it is a cache
	}
}

// close closes what was opened.
func (x *indexes) close() {
	x.closeFiles()
	if x.redis != nil {
		_ = x.redis.Close()
	}
}

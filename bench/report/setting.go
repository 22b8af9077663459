package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// setting is what runs were made on that were made on the same: one machine and the same versions, but for the commit that was measured. A run without
// peers says nothing of theirs.
type setting struct {
	machine  string
	versions map[string]string
	brokers  []string
	runs     []*Results
}

// settings are what runs were made on, in their order.
func (rs Runs) settings() (all []*setting) {
	for _, r := range rs {
		at := slices.IndexFunc(all, func(s *setting) bool { return s.fits(r) })
		if at < 0 {
			at = len(all)
			all = append(all, &setting{machine: r.Machine, versions: make(map[string]string)})
		}
		all[at].add(r)
	}
	return all
}

func (s *setting) fits(r *Results) bool {
	for name, version := range r.Versions {
		if had, ok := s.versions[name]; ok && had != version && name != commitKey {
			return false
		}
	}
	return s.machine == r.Machine
}

func (s *setting) add(r *Results) {
	maps.Copy(s.versions, r.Versions)
	delete(s.versions, commitKey)
	for _, broker := range r.Brokers {
		if !slices.Contains(s.brokers, broker) {
			s.brokers = append(s.brokers, broker)
		}
	}
	s.runs = append(s.runs, r)
}

// String is a paragraph of the page.
func (s *setting) String() string {
	var versions []string
	for _, name := range slices.Sorted(maps.Keys(s.versions)) {
		versions = append(versions, name+" "+s.versions[name])
	}
	return fmt.Sprintf("Machine: %s. Brokers: %s. Versions: %s.", s.machine, strings.Join(s.brokers, "; "), strings.Join(versions, ", "))
}

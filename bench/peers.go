package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/redeliver/redeliver/bench/harness"
)

// programs are the commands of the peers, why others have none, and the versions of what they are built of.
type programs struct {
	commands map[string][]string
	missing  map[string]error
	versions map[string]string
}

// The peers, by the module that they are in.
var (
	goPeers  = []string{"kafka-go", "sarama", "watermill"}
	jvmPeers = []string{"parallel-consumer", "spring-kafka"}

	// What is measured of them: modules in Go, and the files in target/libs of those on the JVM.
	goLibraries  = []string{"github.com/IBM/sarama", "github.com/ThreeDotsLabs/watermill", "github.com/ThreeDotsLabs/watermill-kafka/v3", "github.com/segmentio/kafka-go"}
	jvmLibraries = []string{"kafka-clients", "parallel-consumer-core", "spring-kafka"}
)

// buildPeers builds those that are wanted. Without a tool, or without a network to fetch their libraries, they are left out, unless
// they are named.
func buildPeers(ctx context.Context, wanted string) (programs, error) {
	p := programs{make(map[string][]string), make(map[string]error), make(map[string]string)}
	var names []string
	switch wanted {
	case "auto":
		names = append(slices.Clone(goPeers), jvmPeers...)
	case "none", "":
	default:
		names = strings.Split(wanted, ",")
	}
	directory, err := filepath.Abs(filepath.Join("..", ".cache", "bench"))
	if err != nil {
		return p, err
	}
	jvm := slices.ContainsFunc(names, func(name string) bool { return slices.Contains(jvmPeers, name) })
	if jvm {
		if err := buildJVM(ctx); err != nil {
			for _, name := range jvmPeers {
				p.missing[name] = err
			}
		} else if err := errors.Join(p.learnJava(ctx), p.learnJars(filepath.Join("peers", "jvm", "target", "libs"))); err != nil {
			return p, err
		}
	}
	for _, name := range names {
		switch {
		case slices.Contains(goPeers, name):
			binary := filepath.Join(directory, name)
			if err := output(ctx, filepath.Join("peers", "go"), "go", "build", "-o", binary, "./"+name); err != nil {
				p.missing[name] = err
				continue
			}
			if err := p.learnGo(binary); err != nil {
				return p, err
			}
			p.commands[name] = []string{binary}
		case slices.Contains(jvmPeers, name):
			if p.missing[name] == nil {
				p.commands[name] = jvmCommand(name)
			}
		default:
			return p, fmt.Errorf("-peers %s: there are %s", name, strings.Join(append(slices.Clone(goPeers), jvmPeers...), ", "))
		}
		if wanted != "auto" && p.missing[name] != nil {
			return p, fmt.Errorf("build %s: %w", name, p.missing[name])
		}
	}
	return p, nil
}

// learnGo notes the versions of the libraries that a peer in Go is built of.
func (p programs) learnGo(binary string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	for _, m := range info.Deps {
		if slices.Contains(goLibraries, m.Path) {
			p.versions[strings.TrimPrefix(m.Path, "github.com/")] = m.Version
		}
	}
	return nil
}

// learnJars notes the versions of the libraries of the peers on the JVM, which their files are named after.
func (p programs) learnJars(directory string) error {
	for _, name := range jvmLibraries {
		files, err := filepath.Glob(filepath.Join(directory, name+"-[0-9]*.jar"))
		if err != nil {
			return err
		}
		var versions []string
		for _, file := range files { // more than one where a former build left its own
			versions = append(versions, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), name+"-"), ".jar"))
		}
		if len(versions) > 0 {
			p.versions[name] = strings.Join(versions, " and ")
		}
	}
	return nil
}

// learnJava notes what the first java of the path says that it is.
func (p programs) learnJava(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "java", "--version").Output()
	if err != nil {
		return fmt.Errorf("java --version: %w", err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	p.versions["Java"] = strings.TrimSpace(first)
	return nil
}

// buildJVM has Maven build the peers of the JVM.
func buildJVM(ctx context.Context) error {
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("there is no %s (Debian: apt-get install openjdk-17-jdk-headless maven)", tool)
		}
	}
	return output(ctx, filepath.Join("peers", "jvm"), "mvn", "-B", "-q", "package")
}

// jvmCommand is what starts a peer of the JVM: a heap of 1 GiB, and all else as Java has it.
func jvmCommand(name string) []string {
	target := filepath.Join("peers", "jvm", "target")
	return []string{"java", "-Xmx1g", "-cp", filepath.Join(target, "bench-peers.jar") + ":" + filepath.Join(target, "libs", "*"), "bench.Main", name}
}

// output runs a command in a directory; its error says what it printed.
func output(ctx context.Context, directory, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = directory
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// command returns how a contender is started: our own are this program.
func (p programs) command(profiles string) func(harness.Scenario, harness.Contender) ([]string, error) {
	return func(s harness.Scenario, c harness.Contender) ([]string, error) {
		if c.Run == nil {
			command := p.commands[c.Name]
			if command != nil {
				return command, nil
			}
			return nil, p.missing[c.Name] // nil: it is not wanted
		}
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		command := []string{self, "contend"}
		if profiles != "" {
			command = append(command, "-profile", profiles)
		}
		return append(command, s.Letter, c.Name), nil
	}
}

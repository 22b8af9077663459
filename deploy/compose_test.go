package deploy

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func readCompose(t *testing.T) *types.Project {
	t.Helper()
	at, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: at, ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(at, "compose.yaml"), Content: text}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// pinned is an image with a version that means one thing: not a name alone, not latest, not a major version.
var pinned = regexp.MustCompile(`:v?[0-9]+\.[0-9]+\.[0-9]+$`)

func TestTheDemoIsWhole(t *testing.T) {
	project := readCompose(t)
	for _, name := range []string{"kafka", "traffic", "flaky", "redeliver", "prometheus", "grafana"} {
		service, ok := project.Services[name]
		if !ok {
			t.Errorf("there is no service %s", name)
			continue
		}
		if service.Build == nil && !pinned.MatchString(service.Image) {
			t.Errorf("%s: the image %s may change", name, service.Image)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open to the network (%q)", name, port.Published, port.HostIP)
			}
		}
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind || !volume.ReadOnly {
				t.Errorf("%s: %s may be written, or outlives the demo", name, volume.Target)
			}
			if info, err := os.Stat(volume.Source); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s mounts what is no file: %v", name, err)
			}
		}
		if service.Build != nil {
			if _, err := os.Stat(filepath.Join(service.Build.Context, service.Build.Dockerfile)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if target := service.Build.Target; target != "" && len(stageNamed(readDockerfile(t), target)) == 0 {
				t.Errorf("%s: the Dockerfile has no stage %s", name, target)
			}
		}
	}
}

// What the demo's files say of each other is so.
func TestTheDemoFitsTogether(t *testing.T) {
	var prometheus struct {
		RuleFiles []string `yaml:"rule_files"`
		Scrape    []struct {
			Authorization struct{ Credentials string }
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "compose/prometheus.yaml", &prometheus)
	mounts := make(map[string]bool)
	for _, service := range readCompose(t).Services {
		for _, volume := range service.Volumes {
			mounts[volume.Target] = true
		}
	}
	for _, file := range prometheus.RuleFiles {
		if !mounts[file] {
			t.Errorf("nothing is mounted at %s", file)
		}
	}
	text, err := os.ReadFile("compose/redeliver.yaml")
	if err != nil {
		t.Fatal(err)
	}
	scrape := prometheus.Scrape[0]
	if !strings.Contains(string(text), "token: "+scrape.Authorization.Credentials+"}") || scrape.StaticConfigs[0].Targets[0] != "redeliver:8080" {
		t.Errorf("Prometheus asks %+v", scrape)
	}
	if out, err := exec.Command(build(t), "validate", "-c", "compose/redeliver.yaml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The demo without its containers: its configuration, its service and its traffic, on a broker in this process.
func TestTheDemoRuns(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(6, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	(&stage{}).produce(t, cluster.ListenAddrs())

	flaky := filepath.Join(directory, "flaky")
	if out, err := exec.Command("go", "build", "-o", flaky, "./flaky").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	service, admin := freeAddress(t), freeAddress(t)
	start(t, flaky, "-listen", service, "-every", "0")
	t.Setenv("KAFKA_BROKERS", strings.Join(cluster.ListenAddrs(), ","))
	t.Setenv("SERVICE_URL", "http://"+service+"/orders")
	t.Setenv("ADMIN_LISTEN", admin)
	process := start(t, build(t), "run", "-c", "compose/redeliver.yaml")

	arrives(t, cluster.ListenAddrs(), "orders.orders.retry-1s", "the order is locked", process)
	arrives(t, cluster.ListenAddrs(), "orders.orders.dlq", "the order has no amount", process)
	if status, body := ask(t, "http://"+admin+"/metrics", "viewer-of-the-demo"); status != http.StatusOK || !strings.Contains(body, "redeliver_dead_letters_total{") {
		t.Errorf("Prometheus would get %d\n%.300s", status, body)
	}
	if status, _ := ask(t, "http://"+admin+"/metrics", "somebody"); status != http.StatusUnauthorized {
		t.Errorf("somebody gets %d", status)
	}
}

// arrives waits for a record with an error of that text.
func arrives(t *testing.T, brokers []string, topic, text string, process *child) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.MetadataMinAge(50*time.Millisecond), kgo.MetadataMaxAge(200*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	timer := time.AfterFunc(time.Minute, client.Close)
	defer timer.Stop()
	for {
		fetches := client.PollFetches(t.Context())
		if fetches.IsClientClosed() {
			t.Fatalf("nothing with %q comes to %s; the process says\n%s", text, topic, process.log)
		}
		for _, record := range fetches.Records() {
			for _, header := range record.Headers {
				if header.Key == "redeliver-error" && strings.Contains(string(header.Value), text) {
					return
				}
			}
		}
	}
}

func ask(t *testing.T, url, token string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

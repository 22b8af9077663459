package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/redeliver/redeliver/internal/certs/certstest"
)

const chartDirectory = "helm/redeliver"

// valuesFiles are the settings that the chart is tried with.
var valuesFiles = []string{"small", "deployment", "full"}

// scaledObject is KEDA's, as far as the chart uses it: https://keda.sh/docs/2.17/reference/scaledobject-spec/ and
// https://keda.sh/docs/2.17/scalers/prometheus/.
type scaledObject struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		ScaleTargetRef  struct{ APIVersion, Kind, Name string }
		MinReplicaCount int32 `json:"minReplicaCount"`
		MaxReplicaCount int32 `json:"maxReplicaCount"`
		PollingInterval int32 `json:"pollingInterval"`
		CooldownPeriod  int32 `json:"cooldownPeriod"`
		Fallback        struct {
			FailureThreshold int32 `json:"failureThreshold"`
			Replicas         int32 `json:"replicas"`
		} `json:"fallback"`
		Advanced struct {
			Horizontal struct {
				Behavior struct {
					ScaleDown struct {
						StabilizationWindowSeconds int32 `json:"stabilizationWindowSeconds"`
						Policies                   []struct {
							Type                 string `json:"type"`
							Value, PeriodSeconds int32
						} `json:"policies"`
					} `json:"scaleDown"`
				} `json:"behavior"`
			} `json:"horizontalPodAutoscalerConfig"`
		} `json:"advanced"`
		Triggers []struct {
			Type              string `json:"type"`
			Name              string `json:"name"`
			AuthenticationRef *struct {
				Name string `json:"name"`
			} `json:"authenticationRef"`
			Metadata struct{ ServerAddress, Query, Threshold string } `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

// manifests are what the chart makes of a file of values.
type manifests struct {
	StatefulSet         *apps.StatefulSet
	Deployment          *apps.Deployment
	ConfigMap           *core.ConfigMap
	Service             *core.Service
	ServiceAccount      *core.ServiceAccount
	PodDisruptionBudget *policy.PodDisruptionBudget
	NetworkPolicy       *networking.NetworkPolicy
	ServiceMonitor      *monitoring.ServiceMonitor
	PrometheusRule      *monitoring.PrometheusRule
	ScaledObject        *scaledObject
}

func loadChart(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(chartDirectory)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func readValues(t *testing.T, name string) map[string]any {
	t.Helper()
	values, err := chartutil.ReadValuesFile(filepath.Join(chartDirectory, "ci", name+"-values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// render makes the manifests; the values are held to their schema on the way.
func render(c *chart.Chart, values map[string]any) (map[string]string, error) {
	release := chartutil.ReleaseOptions{Name: "orders", Namespace: "shop", IsInstall: true}
	all, err := chartutil.ToRenderValues(c, values, release, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, all)
}

// decode reads what was rendered, strictly: an unknown field, or one that is there twice, is an error.
func decode(t *testing.T, rendered map[string]string) (m manifests) {
	t.Helper()
	for name, text := range rendered {
		if strings.HasSuffix(name, ".txt") || strings.TrimSpace(text) == "" {
			continue
		}
		var kind meta.TypeMeta
		if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		into := map[string]any{
			"apps/v1 StatefulSet": &m.StatefulSet, "apps/v1 Deployment": &m.Deployment, "v1 ConfigMap": &m.ConfigMap, "v1 Service": &m.Service, "v1 ServiceAccount": &m.ServiceAccount,
			"policy/v1 PodDisruptionBudget": &m.PodDisruptionBudget, "networking.k8s.io/v1 NetworkPolicy": &m.NetworkPolicy,
			"monitoring.coreos.com/v1 ServiceMonitor": &m.ServiceMonitor, "monitoring.coreos.com/v1 PrometheusRule": &m.PrometheusRule, "keda.sh/v1alpha1 ScaledObject": &m.ScaledObject,
		}[kind.APIVersion+" "+kind.Kind]
		if into == nil {
			t.Fatalf("%s is a %s %s, of which this test knows nothing", name, kind.APIVersion, kind.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	return m
}

func (m manifests) pod() core.PodTemplateSpec {
	if m.StatefulSet != nil {
		return m.StatefulSet.Spec.Template
	}
	return m.Deployment.Spec.Template
}

func TestTheChartIsWithoutReproach(t *testing.T) {
	for _, name := range valuesFiles {
		for _, m := range lint.All(chartDirectory, readValues(t, name), "shop", true).Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %s", name, m)
			}
		}
	}
}

// The manifests are what Kubernetes takes, and what runs there is as locked up as it can be.
func TestTheChartRenders(t *testing.T) {
	for _, name := range valuesFiles {
		t.Run(name, func(t *testing.T) {
			rendered, err := render(loadChart(t), readValues(t, name))
			if err != nil {
				t.Fatal(err)
			}
			m := decode(t, rendered)
			if m.ConfigMap == nil || m.Service == nil || (m.StatefulSet == nil) == (m.Deployment == nil) {
				t.Fatalf("there is something missing, or too much: %+v", m)
			}
			if (m.StatefulSet == nil) != (name == "deployment") {
				t.Error("it is no StatefulSet, or one without static members")
			}
			pod := m.pod()
			locked(t, pod.Spec)
			probed(t, pod.Spec)
			mounted(t, pod.Spec)
			for key, value := range m.Service.Spec.Selector {
				if pod.Labels[key] != value {
					t.Errorf("the service selects %s=%s, the pods have %q", key, value, pod.Labels[key])
				}
			}
			accepted(t, m.ConfigMap.Data["config.yaml"], name != "deployment")
		})
	}
}

// locked holds the pod to what the Pod Security Standards call restricted, and to more.
func locked(t *testing.T, pod core.PodSpec) {
	t.Helper()
	c := pod.Containers[0]
	s := c.SecurityContext
	switch {
	case pod.SecurityContext.RunAsNonRoot == nil || !*pod.SecurityContext.RunAsNonRoot || *pod.SecurityContext.RunAsUser == 0:
		t.Error("it may run as root")
	case pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault:
		t.Error("it has no seccomp profile")
	case *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || len(s.Capabilities.Add) > 0:
		t.Errorf("it has privileges: %+v", s)
	case *pod.AutomountServiceAccountToken || pod.HostNetwork || pod.HostPID || pod.HostIPC:
		t.Error("it has more of its host or cluster than it needs")
	case c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero():
		t.Error("its resources have no bounds")
	case strings.HasSuffix(c.Image, ":latest") || !strings.Contains(c.Image, ":"):
		t.Errorf("its image %s is not pinned", c.Image)
	}
	if *pod.TerminationGracePeriodSeconds <= 30 {
		t.Errorf("it is killed after %d s, and may drain for 30 s", *pod.TerminationGracePeriodSeconds)
	}
}

func probed(t *testing.T, pod core.PodSpec) {
	t.Helper()
	c := pod.Containers[0]
	for path, probe := range map[string]*core.Probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if probe.HTTPGet.Path != path || probe.HTTPGet.Port.String() != c.Ports[0].Name {
			t.Errorf("%s is asked for at %s:%s", path, probe.HTTPGet.Port.String(), probe.HTTPGet.Path)
		}
		if tls := slices.ContainsFunc(pod.Volumes, func(v core.Volume) bool { return v.Name == "tls" }); tls != (probe.HTTPGet.Scheme == core.URISchemeHTTPS) {
			t.Errorf("%s is asked for by %s, TLS is %v", path, probe.HTTPGet.Scheme, tls)
		}
	}
}

// mounted checks that every mount has its volume, and every volume its mount.
func mounted(t *testing.T, pod core.PodSpec) {
	t.Helper()
	var volumes, mounts []string
	for _, v := range pod.Volumes {
		volumes = append(volumes, v.Name)
	}
	for _, m := range pod.Containers[0].VolumeMounts {
		mounts = append(mounts, m.Name)
	}
	slices.Sort(volumes)
	slices.Sort(mounts)
	if !slices.Equal(volumes, mounts) {
		t.Errorf("volumes %q, mounts %q", volumes, mounts)
	}
}

// accepted puts the configuration of the pod to `redeliver validate`, with files where the pod has them.
func accepted(t *testing.T, text string, static bool) {
	t.Helper()
	directory := t.TempDir()
	for _, name := range []string{"ops", "prometheus"} {
		if err := os.MkdirAll(filepath.Join(directory, "tokens"), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(directory, "tokens", name), strings.Repeat("t", 32))
	}
	selfSigned(t, filepath.Join(directory, "tls"))
	path := filepath.Join(directory, "config.yaml")
	write(t, path, strings.ReplaceAll(text, "/etc/redeliver/", directory+"/"))
	command := exec.Command(build(t), "config", "show", "-c", path)
	command.Env = append(os.Environ(), "POD_NAME=orders-redeliver-0", "KAFKA_PASSWORD=secret")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("the configuration is refused: %v\n%s\n%s", err, out, text)
	}
	if has := strings.Contains(string(out), "instance_id: orders-redeliver-0"); has != static {
		t.Errorf("static members: %v, want %v\n%s", has, static, out)
	}
	command = exec.Command(build(t), "validate", "-c", path)
	command.Env = append(os.Environ(), "POD_NAME=orders-redeliver-0", "KAFKA_PASSWORD=secret")
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("the configuration is refused: %v\n%s\n%s", err, out, text)
	}
}

func TestTheChartMonitorsAndScales(t *testing.T) {
	rendered, err := render(loadChart(t), readValues(t, "full"))
	if err != nil {
		t.Fatal(err)
	}
	m := decode(t, rendered)
	endpoint := m.ServiceMonitor.Spec.Endpoints[0]
	if endpoint.Port != m.Service.Spec.Ports[0].Name || endpoint.Authorization.Credentials.Key != "prometheus" || *endpoint.Scheme != "https" {
		t.Errorf("Prometheus asks %+v", endpoint)
	}
	if m.StatefulSet.Spec.Replicas != nil {
		t.Error("two decide how many pods there are")
	}
	if target := m.ScaledObject.Spec.ScaleTargetRef; target.Kind != "StatefulSet" || target.Name != m.StatefulSet.Name {
		t.Errorf("it scales %+v", target)
	}
	for _, trigger := range m.ScaledObject.Spec.Triggers {
		exported(t, trigger.Name, parsed(t, trigger.Name, trigger.Metadata.Query))
		if !strings.Contains(trigger.Metadata.Query, `job="`+m.Service.Name+`"`) || !strings.Contains(trigger.Metadata.Query, `namespace="shop"`) {
			t.Errorf("%s counts what others have: %s", trigger.Name, trigger.Metadata.Query)
		}
	}
	rules := 0
	for _, group := range m.PrometheusRule.Spec.Groups {
		rules += len(group.Rules)
	}
	if want := len(alerts(t)); rules != want {
		t.Errorf("there are %d rules, want %d", rules, want)
	}
	if m.NetworkPolicy.Spec.Egress == nil || len(m.NetworkPolicy.Spec.PolicyTypes) != 2 {
		t.Errorf("egress is not closed: %+v", m.NetworkPolicy.Spec)
	}
}

// Where nobody may come, nobody may: an empty list of peers would be everybody.
func TestNobodyMayReachWhatNobodyIsNamedFor(t *testing.T) {
	rendered, err := render(loadChart(t), readValues(t, "small"))
	if err != nil {
		t.Fatal(err)
	}
	if n := decode(t, rendered).NetworkPolicy.Spec; len(n.Ingress) != 0 || !slices.Equal(n.PolicyTypes, []networking.PolicyType{networking.PolicyTypeIngress}) {
		t.Errorf("got %+v", n)
	}
}

func TestWrongValuesAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, set, want string }{
		{"nothing is said", "admin: {users: null}\nconfig: {kafka: null, pipelines: null}", "users"},
		{"no pipelines", "config: {pipelines: []}", "pipelines"},
		{"a value that is none", "replica: 3", "replica"},
		{"a role that is none", "admin: {users: [{name: a, role: admin, secret: {name: s, key: k}}]}", "role"},
		{"a secret in the clear", "admin: {users: [{name: a, role: viewer, token: abc}]}", "token"},
		{"a port of the system's", "admin: {port: 80}", "port"},
		{"what the chart writes", "config: {admin: {listen: 0.0.0.0:1}}", "admin"},
		{"an image that changes", "image: {tag: latest}", "tag"},
		{"scaling by nothing", "autoscaling: {enabled: true}", "serverAddress"},
		{"scaling to none", "autoscaling: {minReplicas: 0}", "minReplicas"},
		{"killed while it drains", "terminationGracePeriodSeconds: 30", "drains for up to 30s"},
		{"killed while one drains", "config: {pipelines: [{name: a}, {name: slow, drain: 1m0.5s}]}", "pipeline slow drains for up to 1m0.5s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, err := chartutil.ReadValues([]byte(tt.set))
			if err != nil {
				t.Fatal(err)
			}
			_, err = render(loadChart(t), chartutil.MergeTables(set, readValues(t, "small")))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to tell of %q", err, tt.want)
			}
		})
	}
}

// selfSigned makes a certificate as a Secret of type kubernetes.io/tls holds it.
func selfSigned(t *testing.T, directory string) {
	t.Helper()
	if err := os.MkdirAll(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	certificate, key := certstest.PEM(t, certstest.New(t, "deploy").Sign(t, "orders-redeliver.shop.svc"))
	write(t, filepath.Join(directory, "tls.crt"), string(certificate))
	write(t, filepath.Join(directory, "tls.key"), string(key))
}

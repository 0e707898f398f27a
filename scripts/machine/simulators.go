package machine

import (
	"cmp"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"entrasync/scripts/simulated"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/host"
)

// Simulators are the outside systems that run on this machine; nil where a real
// one is used.
type Simulators struct {
	JumpCloud *jumpcloudtest.Simulator
	Entra     *entratest.Simulator
	// The pages on which a person can change a user and watch.
	JumpCloudPage, EntraPage string
}

// Tenant is the simulated tenant.
func (s Simulators) Tenant() directory.TenantID {
	return directory.TenantID(entratest.DefaultTenant().ID)
}

// simulatedKey is the API key of the simulated JumpCloud: no secret.
const simulatedKey = "simulated-api-key"

// withSimulated is the config with what the simulators know where nothing was
// chosen.
func (c Config) withSimulated() Config {
	if c.GraphURL == "" {
		app := entratest.DefaultApp()
		c.ClientID, c.ClientSecret = cmp.Or(c.ClientID, app.ClientID), cmp.Or(c.ClientSecret, app.ClientSecret)
	}
	if c.JumpCloudAPI == "" {
		c.JumpCloudKey, c.Organization = cmp.Or(c.JumpCloudKey, simulatedKey), cmp.Or(c.Organization, jumpcloudtest.DefaultOrganizationID)
	}
	return c
}

// startSimulators starts a simulator for each outside system that is not named.
// They keep what they know beside the product's files, so that they survive a
// kill like the real ones would.
func (m *Machine) startSimulators() error {
	if m.Config.GraphURL == "" {
		if err := m.startEntra(); err != nil {
			return err
		}
	}
	if m.Config.JumpCloudAPI == "" {
		return m.startJumpCloud()
	}
	return nil
}

// startEntra starts the simulator of Microsoft Graph and of the sign-in.
func (m *Machine) startEntra() error {
	app := entratest.DefaultApp()
	app.ClientID, app.ClientSecret = m.Config.ClientID, m.Config.ClientSecret
	simulator, err := entratest.New(entratest.Config{
		Apps: []entratest.App{app}, Seed: 1, Journal: filepath.Join(m.Config.Data, "entra-simulator.jsonl"),
	})
	if err != nil {
		return fault.Wrap(err, fault.Internal, "start the Entra simulator")
	}
	m.closer = append(m.closer, simulator.Close)
	url, err := m.listenBeside(2, simulator)
	if err != nil {
		return err
	}
	m.Simulators.Entra, m.Simulators.EntraPage = simulator, url+"/"
	m.Config.GraphURL, m.Config.LoginURL = url+"/v1.0", url
	return nil
}

// startJumpCloud starts the simulator of JumpCloud, with a few people in it and
// a channel that calls our webhook.
func (m *Machine) startJumpCloud() error {
	simulator, err := jumpcloudtest.New(jumpcloudtest.Config{
		Organization: jumpcloudtest.Organization{ID: string(m.Config.Organization), Name: "Example"},
		APIKey:       m.Config.JumpCloudKey, Seed: 1, Journal: filepath.Join(m.Config.Data, "jumpcloud-simulator.jsonl"),
	})
	if err != nil {
		return fault.Wrap(err, fault.Internal, "start the JumpCloud simulator")
	}
	m.closer = append(m.closer, simulator.Close)
	url, err := m.listenBeside(1, simulator)
	if err != nil {
		return err
	}
	m.Simulators.JumpCloud, m.Simulators.JumpCloudPage = simulator, url+"/"
	m.Config.JumpCloudAPI, m.Config.JumpCloudInsights = url+"/api", url+"/insights/directory/v1"
	if err := simulated.SeedPeople(simulator); err != nil {
		return err
	}
	_, err = simulator.Notify(m.WebhookURL(), m.Config.webhookTokens()[0])
	return fault.Wrap(err, fault.Internal, "set up the simulated channel")
}

// simulatorHost is where simulators listen, whatever the product listens on:
// their pages ask nobody who they are.
const simulatorHost = "127.0.0.1"

// simulatorEnd is how long a simulator's requests may take to end.
const simulatorEnd = time.Second

// listenBeside serves a simulator on the port that many above ours, or on any
// free one if that is taken.
func (m *Machine) listenBeside(offset int, handler http.Handler) (url string, err error) {
	_, port, err := net.SplitHostPort(m.Config.Addr)
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "listen")
	}
	ours, err := strconv.Atoi(port)
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "listen")
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(simulatorHost, strconv.Itoa(ours+offset)))
	if err != nil {
		if listener, err = net.Listen("tcp", net.JoinHostPort(simulatorHost, "0")); err != nil {
			return "", fault.Wrap(err, fault.Invalid, "listen for a simulator")
		}
	}
	server := host.NewServer(handler, m.log)
	m.closer = append(m.closer, func() error { return endServer(server, simulatorEnd) })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error().Err(err).Msg("a simulator's server ended")
		}
	}()
	return "http://" + listener.Addr().String(), nil
}

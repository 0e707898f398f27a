package onemachine

import (
	"cmp"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"entrasync/functions/admin"
	"entrasync/scripts/machine"
	"entrasync/scripts/simulated"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/host"
)

// simulatedKey is the API key of the simulated JumpCloud: no secret.
const simulatedKey = "simulated-api-key"

// withCredentials is the config with what the simulators accept where no variable gives
// it.
func withCredentials(c machine.Config) machine.Config {
	if c.GraphURL == "" {
		app := entratest.DefaultApp()
		c.ClientID, c.ClientSecret = cmp.Or(c.ClientID, app.ClientID), cmp.Or(c.ClientSecret, app.ClientSecret)
	}
	if c.JumpCloudAPI == "" {
		if c.JumpCloudKey == "" {
			c.JumpCloudKey, c.KeyFrom = simulatedKey, "the simulator, which takes no other"
		}
		c.Organization = cmp.Or(c.Organization, jumpcloudtest.DefaultOrganizationID)
	}
	return c
}

// simulate is a [machine.Config.Simulate]. The simulators keep what they know beside the
// product's files, so that they survive a kill like the real systems would.
func (m *Machine) simulate(c *machine.Config) (stop func() error, err error) {
	var started closers
	if c.GraphURL == "" {
		err = m.startEntra(c, &started)
	}
	if err == nil && c.JumpCloudAPI == "" {
		err = m.startJumpCloud(c, &started)
	}
	return started.close, err
}

// closers end what was started, in its order.
type closers []func() error

// close ends the last one first.
func (c closers) close() error {
	var errs []error
	for _, end := range slices.Backward(c) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// startEntra starts the simulator of Microsoft Graph and of the sign-in.
func (m *Machine) startEntra(c *machine.Config, started *closers) error {
	app := entratest.DefaultApp()
	app.ClientID, app.ClientSecret = c.ClientID, c.ClientSecret
	app.RedirectURIs = []string{cmp.Or(strings.TrimSuffix(c.PublicURL, "/"), "http://"+c.Addr) + admin.CallbackPath}
	simulator, err := entratest.New(entratest.Config{
		Apps: []entratest.App{app}, Seed: 1, Journal: filepath.Join(c.Data, "entra-simulator.jsonl"),
	})
	if err != nil {
		return fault.Wrap(err, fault.Internal, "start the Entra simulator")
	}
	*started = append(*started, simulator.Close)
	url, err := m.listenBeside(c.Addr, 2, simulator, started)
	if err != nil {
		return err
	}
	m.Entra, m.entraPage = simulator, url+"/"
	c.GraphURL, c.LoginURL = url+"/v1.0", url
	return nil
}

// startJumpCloud starts the simulator of JumpCloud, with a few people in it.
func (m *Machine) startJumpCloud(c *machine.Config, started *closers) error {
	simulator, err := jumpcloudtest.New(jumpcloudtest.Config{
		Organization: jumpcloudtest.Organization{ID: string(c.Organization), Name: "Example"},
		APIKey:       c.JumpCloudKey, Seed: 1, Journal: filepath.Join(c.Data, "jumpcloud-simulator.jsonl"),
	})
	if err != nil {
		return fault.Wrap(err, fault.Internal, "start the JumpCloud simulator")
	}
	*started = append(*started, simulator.Close)
	url, err := m.listenBeside(c.Addr, 1, simulator, started)
	if err != nil {
		return err
	}
	m.JumpCloud, m.jumpCloudPage = simulator, url+"/"
	c.JumpCloudAPI, c.JumpCloudInsights, c.JumpCloudToken = url+"/api", url+"/insights/directory/v1", url+"/oauth2/token"
	return simulated.SeedPeople(simulator)
}

// simulatorHost is where simulators listen, whatever the product listens on: their pages
// need no token.
const simulatorHost = "127.0.0.1"

// simulatorEnd is how long a simulator's requests may take to end.
const simulatorEnd = time.Second

// listenBeside serves a simulator on the port that is offset above the product's, or on
// any free one if that is taken.
func (m *Machine) listenBeside(address string, offset int, handler http.Handler, started *closers) (url string, err error) {
	_, port, err := net.SplitHostPort(address)
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
	*started = append(*started, func() error { return host.EndServer(server, simulatorEnd) })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error().Err(err).Msg("a simulator's server ended")
		}
	}()
	return "http://" + listener.Addr().String(), nil
}

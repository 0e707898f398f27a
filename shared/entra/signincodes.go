package entra

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// signInRefusal is what a refusal of Entra's sign-in means.
type signInRefusal struct {
	reason  directory.Reason
	message string // for the administrator, with what to do
}

// wrongProof is for a proof that Entra does not accept.
func wrongProof(message string) signInRefusal {
	return signInRefusal{directory.CredentialsRefused, message}
}

// wrongConfiguration is for a request that is wrong in every tenant.
func wrongConfiguration(message string) signInRefusal {
	return signInRefusal{directory.SignInMisconfigured, message}
}

// noFederatedCredential is for a token of another issuer that matches no federated
// credential of the application; what is the part that does not match.
func noFederatedCredential(what string) signInRefusal {
	return wrongProof("no federated credential of the application has the " + what + " of the token that entrasync presents: correct it under Certificates & secrets in Entra")
}

// signInRefusals are the refusals that an administrator can do something about, by the
// number of their code (Microsoft Entra authentication and authorization error codes;
// it is partly assumed which of them our sign-in can get).
var signInRefusals = map[int]signInRefusal{
	90002:   {directory.TenantNotFound, "Entra has no such tenant: create the directory with the GUID of the tenant or one of its verified domains"},
	900023:  {directory.TenantNotFound, "this cannot be the name of a tenant: create the directory with the GUID of the tenant or one of its verified domains"},
	65001:   {directory.NotConsented, "the tenant has not consented to the application, or its consent did not spread everywhere yet: give admin consent (POST …/authorize gives the address), or wait some minutes after it was given"},
	700016:  {directory.NotConsented, "the application is not known in the tenant, or its consent did not spread everywhere yet: give admin consent (POST …/authorize gives the address), or correct the client id"},
	7000112: {directory.ApplicationDisabled, "an administrator disabled the application in the tenant: enable it under Enterprise applications in Entra"},
	7000222: {directory.SecretExpired, "the application's client secret has expired: make a new one in Entra and replace it in entrasync"},
	7000215: wrongProof("the application's client secret is wrong: replace it in entrasync with the value (not the id) of one that Entra lists"),
	7000218: wrongProof("the application has nothing to prove itself with: give entrasync a client secret, a certificate or a federated credential"),
	700027:  wrongProof("Entra does not know the application's certificate: upload it under Certificates & secrets in Entra"),
	700024:  wrongProof("the token that entrasync proves itself with is outside of its time: check the clock of this machine"),
	700211:  noFederatedCredential("issuer"),
	700212:  noFederatedCredential("audience"),
	700213:  noFederatedCredential("subject"),
	53003:   {directory.SignInBlocked, "Conditional Access of the tenant blocks the application: exclude it from the policy for workload identities"},
	500011:  wrongConfiguration("the tenant does not know the Graph that GRAPH_URL names: it is that of another cloud"),
	900144:  wrongConfiguration("Entra misses something in our sign-in: this is a defect of entrasync, please report it"),
	1002012: wrongConfiguration("Entra does not take the scope of our sign-in: check GRAPH_URL"),
	70011:   wrongConfiguration("Entra does not take the scope of our sign-in: check GRAPH_URL"),
}

// passingRefusals are the codes of refusals that pass by themselves.
var passingRefusals = map[int]bool{90033: true, 90006: true, 50196: true}

// whySignInRefused is the fault for a refusal of Entra's sign-in, by its code. Its kind
// is Unauthorized, because it concerns everybody in the tenant, or Transient if it
// passes by itself.
func whySignInRefused(response *http.Response) error {
	code, presented := 0, ""
	if body, err := runtime.Payload(response); err == nil {
		code, presented = signInCode(body)
	}
	f := &fault.Error{Op: "entra.sign in", Kind: fault.Unauthorized, Reason: directory.ConsentLost}
	refusal, listed := signInRefusals[code]
	switch {
	case passingRefusals[code]:
		f.Kind, f.Reason, f.Message = fault.Transient, directory.Unavailable, fmt.Sprintf("Entra's sign-in service is unavailable (AADSTS%d): it is tried again", code)
	case code == 0:
		f.Message = "Entra refuses the sign-in of the application and does not say why: check its credentials and the tenant's consent"
	case !listed:
		f.Message = fmt.Sprintf("Entra refuses the sign-in of the application (AADSTS%d): check its credentials and the tenant's consent", code)
	default:
		f.Reason, f.Message = refusal.reason, fmt.Sprintf("%s (AADSTS%d)%s", refusal.message, code, presented)
	}
	return f
}

// presentedForm finds in a refusal the issuer, audience or subject of the token that we
// presented; these are no secrets.
var presentedForm = regexp.MustCompile(`presented assertion (?:issuer|subject|audience) '([^']{1,300})'`)

// signInCode reads the number of a refusal's code, 0 if it has none, and the part of
// our token that the refusal names, as the end of a sentence.
func signInCode(body []byte) (code int, presented string) {
	var refusal struct {
		Codes       []int  `json:"error_codes"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &refusal) != nil || len(refusal.Codes) == 0 {
		return 0, ""
	}
	if match := presentedForm.FindStringSubmatch(refusal.Description); match != nil {
		presented = ": it is " + match[1]
	}
	return refusal.Codes[0], presented
}

// Package entratest simulates Microsoft Entra ID on one machine: the token endpoint and
// the part of Microsoft Graph v1.0 that is needed to provision users and groups, as one
// [http.Handler]. It keeps the rules of the real service and refuses what the service
// refuses.
//
// It runs in a process of its own, over TCP, with a web page to watch it and a journal
// that survives kill -9; or in the memory of a test, through [Transport], also inside
// synctest bubbles, because it uses only the time package for time and starts no
// goroutines. With a seed, object ids and lag depend only on the objects, and request
// ids and the order of batch answers depend on the order of requests.
//
// # Simulated
//
//   - Login: client credentials with a secret (form or Basic) and with a client
//     assertion, AADSTS errors with their codes, OpenID and instance discovery,
//     admin consent with its page. Tokens have tid, appid, oid, idtyp, the granted
//     roles and the templates of the directory roles, and expire; what was granted
//     later is in the next token only. They may come with a time for an early refresh,
//     be revoked, and the login service may be down. A consent may spread slowly.
//   - Every request, and every item of a batch, is checked against Microsoft's
//     description: path, method, query options, properties and their types. Nothing is
//     ignored: a part without a meaning is refused with 400, and a part that Graph
//     supports and the simulator does not, with 501 NotImplemented and its name.
//   - Permissions for each operation and each sensitive property, the protection of
//     administrators and of members of role-assignable groups, restricted
//     management, objects mastered on premises.
//   - Users, among them those of agents (agentUser): create, get, list with $select,
//     $filter (also by time and by identity), $top, $orderby and $count, patch, soft
//     delete, deletedItems with restore and purge, manager and direct reports, sessions,
//     password policy, unique names, verified and federated domains. Licenses of products
//     with plans that need one another, assigned directly and by groups, as far as there are
//     units.
//   - Groups of all kinds, upsert by uniqueName, soft delete with restore and purge,
//     members with all-or-nothing binds of at most 20, transitive members, memberOf,
//     checkMemberGroups.
//   - Directory objects of either kind by id; /$count below every list.
//   - Delta queries for users and groups, with their tokens' seven days; what users of
//     Graph observed of them beside the documentation are switches.
//   - $batch, gzip both ways, quotas in resource units and write units with 429 and
//     its headers, replication lag of new objects, faults on demand.
//
// # Assumed
//
// Unconfirmed behaviour is in assumptions.go, and each variant that may be either way
// is a switch of [Behaviour]. Behaviour that is not known, and with which the product
// must work either way, is a [World].
//
// # Not simulated
//
//   - Change notifications, licenses of groups by Graph and their errors, mailboxes (a renamed UPN leaves no proxy
//     address), administrative units beyond the flag isManagementRestricted,
//     directory roles beyond the names that are seeded, B2C and guests.
//   - $search, $filter and $orderby on relationships, $expand other than manager,
//     lambdas other than any, adding and removing owners by $ref, actions other than
//     those above. That a user may not be its own manager, if it may not.
//   - Lag of changes to objects that exist: a PATCH is visible to reads at once; only
//     delta queries can be set to lag. Lag, consents and granted roles are not in the journal.
//   - Who consents: whoever opens the page is an administrator of the tenant.
//   - Signatures of outside assertions, conditional access beyond a flag, the object
//     quota of the directory, CPU-based throttling.
package entratest

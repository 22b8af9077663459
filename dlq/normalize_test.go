package dlq

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// Each line holds texts that are one problem, as it is shown.
func TestTextsOfOneProblemAreNormalizedAlike(t *testing.T) {
	for want, texts := range map[string][]string{
		"read <*> of <*>":                           {"read 512 4.1.1 of 7", "read 451 4.7 of 9", "read 451 4.7.1.2 of 9", "read 4510 4.7.1 of 9", "read 451 4.7.1000 of 9"},
		"550 5.1.1 <<*>> is unknown":                {"550 5.1.1 <ann@example.com> is unknown", "550 5.1.1 <bob@example.org> is unknown"},
		"order <*> not found":                       {"order 8812 not found", "order 3fa85f64-5717-4562-b3fc-2c963f66afa6 not found", "order deadbeef not found", "order 12345678 not found", "order 0xc000123 not found", "order x7f3k9q2 not found"},
		`order "<*>" not found`:                     {`order "ORD-8812-XK" not found`, `order "42" not found`, `order "a1B2" not found`},
		"dial tcp <*>: connect: connection refused": {"dial tcp 10.0.0.7:9092: connect: connection refused", "dial tcp [::1]:443: connect: connection refused", "dial tcp [fe80::1%eth0]:80: connect: connection refused", "dial tcp 2001:db8::17: connect: connection refused"},
		"read tcp <*>-><*>: reset":                  {"read tcp 10.1.2.3:41522->10.0.0.7:443: reset", "read tcp [::1]:1->[2001:db8::2]:443: reset"},
		"no answer after <*>":                       {"no answer after 30s", "no answer after 1m30.5s", "no answer after 300 ms", "no answer after 2 seconds", "no answer after 1.5s"},
		"expired at <*>":                            {"expired at 2025-11-23T12:13:20Z", "expired at 2025-11-23 12:13:20.123 +0000 UTC", "expired at 2025-11-23 12:13:20.123456 +0100 CET m=+0.000123", "expired at Sun, 23 Nov 2025 12:13:20 GMT", "expired at 23/Nov/2025:12:13:20 +0000", "expired at Nov 23, 2025 3:04 PM", "expired at 1763900000000", "expired at Monday, 03-Mar-25 10:00:00 UTC", "expired at Mon Jan 2 15:04:05 2006"},
		"postfix: <*>: to=<<*>>":                    {"postfix: 5114F25D58: to=<ann@example.com>", "postfix: DD7D18D675: to=<ann@example.com>", "postfix: EB874EF591: to=<ann@example.com>", "postfix: E94364D932: to=<bob@example.com>"},
		"<*>: bounced":                              {"DD7D18D675: bounced", "4Fb2yJ3Yf0z: bounced"},
		"LDAP: error code 49 - <*>: LdapErr: DSID-<*>, comment: AcceptSecurityContext error, data 52e, <*>": {"LDAP: error code 49 - 80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v4563", "LDAP: error code 49 - 80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 52e, v3839"},
		"data <*> is lost":                                  {"data 52e is lost", "data 775 is lost"},
		"result <*> of <*>":                                 {"result 49 of 50", "result 32 of 50"},
		"orders declined: <*>":                              {"orders declined: 51", "orders declined: 05"},
		"orders declined (<*>)":                             {"orders declined (4711)", "orders declined (512)"},
		"orders declined (<*> in all)":                      {"orders declined (51 in all)", "orders declined (17 in all)"},
		"postalCode=<*> is unknown":                         {"postalCode=10115 is unknown", "postalCode=39502 is unknown"},
		"bookingVoucherCode=<*> is used up":                 {"bookingVoucherCode=10115 is used up", "bookingVoucherCode=A17XZ is used up"},
		"charge failed (req_<*>)":                           {"charge failed (req_GncfBAepfJBd0K)", "charge failed (req_FRIBXuDL7DxtpY)", "charge failed (req_kNofwGYRM3ZlAY)", "charge failed (req_MdlYpwVHhRBOGq)"},
		"no customer 'cus_<*>' here":                        {"no customer 'cus_B2jpmOCx2mYGL5' here", "no customer 'cus_1zzPMuR1EglGHi' here", "no customer 'cus_VGuft7DeBupXNg' here"},
		"event evt_<*> is too old":                          {"event evt_1Q0Xv88Fdnt7zHWen9g0m2KP is too old", "event evt_1MoBy5LkdIwHu7ixZhnattbh is too old"},
		"orders ord_<*> are gone":                           {"orders ord_01HQ3K9V6W2XJ5T8ZB4N7M1C0D are gone", "orders ord_01J8ESFYPD0R4GMZ6CHT7VKQ2N, ord_01KCA2MNB8XW5PJ9TQ0D3HRE7G are gone", "orders ord_01JX2AEQTNRIP7UDMHBLESOCAV are gone"},
		"move order_<*>, order_<*> of 'lot_<*>', 'lot_<*>'": {"move order_X17, order_X18 of 'lot_A1', 'lot_B22'"},
		"aborted [<*>] on row <*>":                          {"aborted [zxid/PuLX1dlPdTt] on row 17", "aborted [ckTXO6eN+WNUdO2Q] on row 5", "aborted [Cg/y6b13zGik1VXd] on row 8", "aborted [tHmCQtz7CyGZ2NJ/] on row 9", "aborted [+DQkws/OFcFNMs+Y] on row 1"},
		"charge <*> of <*>":                                 {"charge ch_1Q0Xv88Fdnt7zHWen9g0m2KP of t_x7f3k9q2", "charge pi_39PJf3j5Y3eExtvIo1J1pUSF of t_k2m8"},
		"ids evt_<*> of [evt_<*>] and ['evt_<*>']": {"ids evt_1Q0Xv88Fdnt7zHWen9g0m2KP of [evt_1MoBy5LkdIwHu7ixZhnattbh] and ['evt_1NtO3UHsmSUQyxmxeHY4y0al']",
			"ids evt_1Q0Xv88Fdnt7zHWen9g0m2KP, evt_1NtO3UHsmSUQyxmxeHY4y0al of [evt_1MoBy5LkdIwHu7ixZhnattbh,evt_1Q0Xv88Fdnt7zHWen9g0m2KP,evt_1NtO3UHsmSUQyxmxeHY4y0al] and ['evt_1NtO3UHsmSUQyxmxeHY4y0al', 'evt_1Q0Xv88Fdnt7zHWen9g0m2KP']"},
		"move order_<*>, order_<*>":                       {"move order_17, order_18"},
		"session <*> and <*> is closed":                   {"session xkq_1Q0Xv88Fdnt7zHWen9g0m2KP and fgll_ffpBgGqdeodMFztz is closed", "session v_ffpBgGqdeodMFztz and KdcjTmgEMViWNGGrkhN is closed"},
		"user <*> is unknown":                             {"user ann@example.com is unknown", "user bob.b+tag@mail.example.co.uk is unknown", "user 17 is unknown"},
		"offsets <*> are gone":                            {"offsets 3, 5, 9 are gone", "offsets 7 are gone", "offsets -1 are gone", "offsets 1,234,567 are gone"},
		"token <*> expired":                               {"token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U expired"},
		"Post http://payments.internal:<*>/orders/<*>: x": {"Post http://payments.internal:8080/orders/8812: x", "Post http://payments.internal:9090/orders/3fa85f64-5717-4562-b3fc-2c963f66afa6: x"},
		"pod payments-<*> is gone":                        {"pod payments-7f9c6d8b54-x2x1z is gone", "pod payments-6d8b547f9c-kqzvb is gone"},
		"node<*>: disk full":                              {"node17: disk full", "node3: disk full"},
		"status 404":                                      {"status 404"},
		"SQLSTATE 42P01 at line <*>":                      {"SQLSTATE 42P01 at line 17", "SQLSTATE 42P01 at line 170"},
		"pq: error code 23505 in shard <*>":               {"pq: error code 23505 in shard 3"},
		"Error 1062 (23000): Duplicate entry '<*>' for k": {"Error 1062 (23000): Duplicate entry '8812' for k", "Error 1062 (23000): Duplicate entry 'a-7' for k"},
		"it said 503 Service Unavailable after <*>":       {"it said 503 Service Unavailable after 3s", "it said 503 Service Unavailable after 17 ms"},
		"HTTP/1.1 500 from <*>":                           {"HTTP/1.1 500 from 10.0.0.1", "HTTP/1.1 500 from 10.0.0.2:80"},
		"*http2.StreamError: stream <*>":                  {"*http2.StreamError: stream 7", "*http2.StreamError: stream 19"},
		"two lines, and what is <*>":                      {"two lines,\n\tand what is  5 ", "two lines, and what is 6"},
		"Mai oder September":                              {"Mai oder September"},
		"invalid character '}' after object key":          {"invalid character '}' after object key"},
		"can't read the customer's name":                  {"can't read the customer's name"},
		`cannot parse "<*>": too long`:                    {`cannot parse "` + strings.Repeat("lorem ipsum ", 9) + `": too long`},
		"load <*>% on <*>":                                {"load 95.5% on 3fa85f64", "load 7% on 99999999"},
		`relation "orders_<*>" does not exist`:            {`relation "orders_v2" does not exist`, `relation "orders_17" does not exist`},
		"订单<*>未找到":                                        {"订单8812未找到", "订单77未找到", "订单3fa85f64-5717-4562-b3fc-2c963f66afa6未找到", "订单V1StGXR8_Z5jdHi6B-myT未找到", "订单EF-kQ7b_2jXqZ9vLw0aT未找到"},
		"用户<*>余额不足":                                       {"用户anna@example.com余额不足", "用户bob.b@mail.example.org余额不足"},
		"用户“<*>”不存在，":                                     {"用户“anna@example.com”不存在，", "用户“4711”不存在，"},
		"order <*>→shipped":                               {"order 10432→shipped", "order 3fa85f64-5717-4562-b3fc-2c963f66afa6→shipped"},
		"lock held since <*> by another":                  {"lock held since 2026-11-28 13:00:07.400 UTC by another", "lock held since 2026-11-28 13:00:07.511 CET by another"},
		"token (<*>) expired":                             {"token (2025-11-23 12:13:20 (CET)) expired", "token (2025-11-23 12:13:20 (CEST)) expired"},
		"used <*>, more than its limit":                   {"used 512 MB, more than its limit", "used 7 MiB, more than its limit"},
		"ship: ORD-<*>: already shipped":                  {"ship: ORD-10432: already shipped", "ship: ORD-9871: already shipped", "ship: ORD-104321: already shipped"},
		"reserve: SKU-<*>: out of stock":                  {"reserve: SKU-4711: out of stock", "reserve: SKU-4712: out of stock"},
		"INV<*>: already paid":                            {"INV10234: already paid", "INV4711: already paid"},
		`{"errorCode":"<*>"}`:                             {`{"errorCode":"ORD-4711"}`, `{"errorCode":"ORD-4712"}`},
		`violates unique constraint "orders_<*>_pkey"`:    {`violates unique constraint "orders_2024_11_pkey"`, `violates unique constraint "orders_2024_12_pkey"`},
		"node gke-prod-pool-<*> not ready":                {"node gke-prod-pool-7f9c6d8b-fjge not ready", "node gke-prod-pool-6d8b547f-x2x1 not ready"},
		"node prod-<*>-blue not ready":                    {"node prod-7f9c6d8b-blue not ready", "node prod-6d8b547f-blue not ready"},
		"key <*> is used up":                              {"key 7XK2P-GUNCY-91QBZ-ABCDE is used up", "key GUNC-7XK2-ABCD is used up"},
		"status is <*> items":                             {"status is 404 items", "status is 17 items"},
		"jobs failed: <*> of <*>":                         {"jobs failed: 404 of 1000", "jobs failed: 17 of 1200"},
		"OrderException: <*> rows left":                   {"OrderException: 404 rows left", "OrderException: 17 rows left"},
		"amount <*> EUR":                                  {"amount 12.450 EUR", "amount 7 EUR", "amount 451 EUR"},
		"partition <*> Offline":                           {"partition 512 Offline", "partition 7 Offline"},
		"user <*> Not allowed":                            {"user 404 Not allowed", "user 17 Not allowed"},
		"parse error: <*> characters left":                {"parse error: 4711 characters left", "parse error: 17 characters left"},
		"internal error #<*>":                             {"internal error #844", "internal error #12345"},
		"postal code <*> is unknown":                      {"postal code 39502 is unknown", "postal code 10115 is unknown"},
		"voucher code <*> is used up":                     {"voucher code 0B0PB is used up", "voucher code A17XZ is used up"},
		"battery status: <*>%":                            {"battery status: 36%", "battery status: 7%"},
		"want <*>, got <*>":                               {"want 3, got 455", "want 17, got 12"},
		"http <*> is taken":                               {"http 60801 is taken", "http 8080 is taken"},
		"weak signal <*>":                                 {"weak signal -5 dBm", "weak signal -97 dBm"},
		"device <*> is gone":                              {"device 00-1A-2b-3c-4d-5e is gone", "device FE-BA-EB-DC-CE-CF is gone", "device 00:1a:2b:3c:4d:5e is gone"},
		"host id: <*>": {
			"host id: 1NWe8MbSQTPfjLdp5KLa6r8E2V+L+DgASd/bZjx3O7ObICXBeQZJ9+g//H9UXWJ3pyn92zrub+zx", "host id: qUbslahY/7fhBPwTXWCKfx9AfBS+/0WjYCdo177Gfc4py7xoWe0IM1BOH/Icyn5wAeAc/5dVTGfQ",
			"host id: +MpYDCQF/ICpvFMTRbS7+t9JcEnPyZ+VPkf/Xm1DVw4XNv7RERFAgUtJztkEBQEiOwm0THyNGPXQ", "host id: /PFXQbGKBFkrJv4rU8GPqFVZJuV9Smw8xHulhCqf5R5CTnbQEFnVbNbhpUTwwDWLHr2yxTlPKor1",
			"host id: K/xS6U/oe0V2IMdUzFmMDTg27heHwSHSnLuH2hzv7/ssbf/VYPjZ32AvTaRTAQ44t1mN9M2GxPQM", "host id: VJnu4bWEHyTgBhR5hZqTyA==", "host id: gRfDpKzHxMqWvBtCnLsJ",
		},
		"session <*> is closed":                    {"session qvuoNCDqXayZZz is closed", "session W-x7f3k9q2 is closed", "session x7F3k9q2-pvXfw is closed", "session eaed is closed", "session zhqxwo is closed"},
		"GET /orders/<*>/items failed":             {"GET /orders/KdcjTmgEMViWNGGrkhNSedekvYQ/items failed", "GET /orders/D-Ytq_uxsSmCO-x7f3k_9/items failed", "GET /orders/8812/items failed"},
		"order ORD-<*> is missing":                 {"order ORD-4711-WJTV is missing", "order ORD-4713-ABEL is missing", "order ORD-8812-XK is missing"},
		"ids ['<*>'] are missing":                  {"ids ['a1b2c3d4'] are missing", "ids ['a1b2c3d4', 'f3e4d5c6'] are missing", "ids ['a1b2c3d4','f3e4d5c6', '00aa11bb'] are missing"},
		"due <*> is over":                          {"due 2026-11-28T10:00:00+01:00[Europe/Berlin] is over", "due 2026-11-28T10:00:00Z[UTC] is over", "due 2026-11-28T10:00:00Z is over"},
		"row <*>[orders/items] failed":             {"row 17[orders/items] failed"},
		"open <*>/x.csv":                           {"open 17/x.csv"},
		"lock PAYMENT_<*> is held":                 {"lock PAYMENT_3f9a0c7be21d is held", "lock PAYMENT_deadbeefcafe is held", "lock PAYMENT_3fa85f64-5717-4562-b3fc-2c963f66afa6 is held"},
		"SESSION-<*> expired":                      {"SESSION-x7f3k9q2ab expired", "SESSION-65f1a2b3c4d5e6f708192a3b expired"},
		"POST /customers/<*>/paymentMethods":       {"POST /customers/QVv2VKp6ghkn8i/paymentMethods", "POST /customers/IKrpwAM08O8zOsbG/paymentMethods", "POST /customers/7/paymentMethods"},
		"GET /Account/<*>/Contacts failed":         {"GET /Account/0015g00000XyZ12AAB/Contacts failed", "GET /Account/001DzQaPlmrTbUvWxy/Contacts failed"},
		"GET http://cart-api/<*>/cart/<*> failed":  {"GET http://cart-api/v1/cart/aK3xQ9Zr8TbV4qLmW7 failed", "GET http://cart-api/v2/cart/V1StGXR8_Z5jdHi6B-myT failed", "GET http://cart-api/v1/cart/17 failed"},
		"open /var/lib/app/<*>/raw/in.csv":         {"open /var/lib/app/tmp-IKrpwAM08O8zOsbG/raw/in.csv", "open /var/lib/app/tmp-QVv2VKp6ghkn8iXY/raw/in.csv"},
		"GET https://shop.io/in/<*>/at/<*> failed": {"GET https://shop.io/in/aK3xQ9Zr8TbV4qLmW7aK3xQ9Zr8TbV4q/at/QVv2VKp6ghkn8iQVv2VKp6 failed", "GET https://shop.io/in/7/at/8 failed"},
		"PUT /<*>/cart/<*>/lines":                  {"PUT /v1/cart/aK3xQ9Zr8TbV4qLmW7/lines", "PUT /v2/cart/IKrpwAM08O8zOsbGabcd/lines"},
		"job <*> failed of part-<*> and o":         {"job 17 failed of part-00012-36de5994-5071-4b1c-abed-0c09de160b95.c000 and o", "job 3 failed of part-00013-77de5994-5071-4b1c-8bed-0c09de160b95.c000 and o"},
		"no job job_<*> here":                      {"no job job_kNlA-ppjfI1XXRSUA60et here", "no job job_Q3KYAlDebelQTntNjzAJ0 here", "no job job_9_hFsyvK2tTpIcQ5eKzWb here"},
		"*mysql.MySQLError: Error 1213":            {"*mysql.MySQLError: Error 1213"},
		`query "SELECT <*> FROM a" failed`:         {`query "SELECT 1 FROM a" failed`},
		"read /usr/lib/jvm/java/lib/rt.jar":        {"read /usr/lib/jvm/java/lib/rt.jar"},
		"com/acme/orders/OrderService missing":     {"com/acme/orders/OrderService missing"},
	} {
		for _, text := range texts {
			if got := normalize(text); got != want {
				t.Errorf("%q\n got %q\nwant %q", text, got, want)
			}
		}
	}
}

// What tells problems apart stays.
func TestDifferentProblemsStayApart(t *testing.T) {
	texts := []string{
		"status 404", "status 410", "status: 503", "code = Unavailable", "code = Internal", "errno 104", "errno 111", "exit status 1", "exit status 2",
		"SQLSTATE 23505", "SQLSTATE 23503", "ORA-00942", "ORA-01017", `{"code":17}`, `{"code":18}`, "502 Bad Gateway", "503 Service Unavailable",
		"unknown field \"amount\"", "unknown field \"customer\"", "std::bad_alloc", "de::Error", "x509: expired", "x86: expired",
		"dial tcp payments.internal:443: refused", "dial tcp stock.internal:443: refused", "utf8: bad", "utf16: bad", "int32 overflows", "int64 overflows",
		"status \"404\"", "status \"405\"",
		`relation "orders_v2" is missing`, `relation "customers_v2" is missing`, `column "address1" is missing`, `column "phone2" is missing`, `topic "orders.v1" is missing`,
		`topic "payments.v1" is missing`, `Table 'shop.orders_2024' is missing`, `Table 'shop.customers_2024' is missing`, `header "X-B3-TraceId" is missing`, `header "X-Api2-Key" is missing`,
		"订单8812未找到", "用户8812已停用", "注文8812が見つかりません", "顧客8812は停止中です",
		"用户anna@example.com余额不足", "订单anna@example.com已取消", "订单3fa85f64-5717-4562-b3fc-2c963f66afa6不存在", "用户3fa85f64-5717-4562-b3fc-2c963f66afa6不存在",
		"order 10432—shipped", "order 10432—cancelled", "设备00-1a-2b-3c-4d-5e离线", "设备00-1a-2b-3c-4d-5e已停用",
		"OAuth2Service failed", "S3Client failed", "*app.Step1Error: failed", "*app.Step2Error: failed", "Order2Invoice failed", "Cart2Order failed", "address1Line failed", "phone2Number failed",
		"*orderv2api.Error: failed", "*payv2api.Error: failed", "[Help/envvar/OBJC]", "[Help/envvar/OBJX]", "[apps/XMLHttpGets]", "[docs/XMLHttpGets]", "[apps/DxQ7fK9mB2w]", "[docs/DxQ7fK9mB2w]", "decode Base64Url", "decode Utf8Text",
		"HTTP 302", "HTTP 200", "HTTP/1.1 404", "unexpected response: 404", "unexpected response: 503", "server returned 404", "server returned 503 for order 17", "got 401", "got 503", "failed with 404", "failed with 502",
		"requests.exceptions.HTTPError: 404 Client Error:  for url: https://x.io/a", "requests.exceptions.HTTPError: 403 Client Error:  for url: https://x.io/a",
		"aiohttp.ClientResponseError: 404, message='', url=", "aiohttp.ClientResponseError: 410, message='', url=", `HttpClientErrorException: 404  on GET request for "x"`, `HttpClientErrorException: 410  on GET request for "x"`,
		"HttpServerErrorException: 520 : [no body]", "HttpServerErrorException: 503 : [no body]", "WebClientResponseException: 404 from GET", "WebClientResponseException: 410 from GET", "HttpClientErrorException: 404 null", "HttpClientErrorException: 410 null",
		"ApiError(429, 'circuit_breaking_exception')", "ApiError(503, 'circuit_breaking_exception')", "HTTPException: 404: x", "HTTPException: 410: x", "status was 404", "status was 503", "status code of 404", "status code of 503",
		"responded with a 404", "responded with a 503", "returned 404 error", "returned 503 error", "webhook delivery failed: 404", "webhook delivery failed: 503", "SQL state [08006]; error code [0]", "SQL state [08001]; error code [0]", "SQL State : 42P07", "SQL State : 42P01",
		"bad response (404)", "bad response (503)", "[404] during [GET]", "[503] during [GET]", "exited with 137", "exited with 1", "returned -1", "returned -2", "rc=5", "rc=6",
		"error code: 190001", "error code: 190002", "error 21211", "error 21614", "HRESULT: 0x80070005", "HRESULT: 0x80070002", "SQLCODE=-803", "SQLCODE=-204", "curl: (28)", "curl: (6)",
		"E1001: declined", "E1002: declined", "PAY-1001: declined", "PAY-1002: declined", "*app.Error: PAY-1001: declined", "*app.Error: PAY-1002: declined", "B2B1001: declined", "B2B1002: declined", "ERR1001", "ERR1002", "AADSTS50011", "AADSTS70008",
		`{"errorCode":"PAY-1001","at":1}`, `{"errorCode":"PAY-1002","at":1}`, `{"errorCode":"PAY1001"}`, `{"errorCode":"PAY1002"}`, `{"error_code":"PAY_1001"}`, `{"error_code":"PAY_1002"}`, "errorCode=PAY-1001", "errorCode=PAY-1002",
		"error code: PAY-1001 here", "error code: PAY-1002 here", "error code E-1001", "error code E-1002", "TNS-12541: no listener", "TNS-12505: no listener",
		"Duplicate entry 'a@b.de' for key 'users.UK_6dotkott2kjsp8vw4d0m25fb7'", "Duplicate entry 'a@b.de' for key 'users.UK_r43af9ap4edm43mmtq01oddj6'", "constraint [uk_6dotkott2kjsp8vw4d0m25fb7]; x", "constraint [uk_r43af9ap4edm43mmtq01oddj6]; x",
		"ORA-00001: unique constraint (SHOP.SYS_C0012345) violated", "ORA-00001: unique constraint (SHOP.SYS_C0012399) violated", "Violation of UNIQUE KEY constraint 'UQ__Users__A9D10534C6A1B2D3'", "Violation of UNIQUE KEY constraint 'UQ__Users__B7D10534C6A1B2D4'",
		`violates foreign key constraint "fkt7wtk3lm6cn2hbmrqf1wfsu9u"`, `violates foreign key constraint "fkq8wtk3lm6cn2hbmrqf1wfsu9x"`, "No module named 'uvloop'", "No module named 'openpyxl'", "E11000 duplicate key",
		"BizException: [PAY-1001] declined", "BizException: [PAY-1002] declined", "exception code 0xC0000005", "exception code 0xC0000409", "NSURLErrorDomain Code=-1009", "NSURLErrorDomain Code=-1001",
		"refusalReasonCode=2", "refusalReasonCode=24", "declineCode=51", "declineCode=05", "decline_code=51", "decline_code=05", "subErrorCode: 51", "subErrorCode: 52", `gatewayResponseCode "51"`, `gatewayResponseCode "05"`,
		"acquirer_response_code: 51", "acquirer_response_code: 05", "upstreamHTTPStatusCode: 502", "upstreamHTTPStatusCode: 503", "card declined (05)", "card declined (51)", "card declined (N7)", "OSStatus -9806", "OSStatus -9807", "ldap result 49", "LDAP result 32",
		"AcceptSecurityContext error, data 52e, v4563", "AcceptSecurityContext error, data 775, v4563", "AcceptSecurityContext error, data 533, v4563",
		"cus_VGuft7DeBupXNg is gone", "sub_GncfBAepfJBd0K is gone", "cus_GncfBAepfJBd0K, sub_GncfBAepfJBd0K are gone", "get_UserNameFromContext failed", "set_UserNameFromContext failed",
		"GET http://cart-api/v1/cart/aK3xQ9Zr8TbV4qLmW7 failed", "GET http://user-api/v1/user/aK3xQ9Zr8TbV4qLmW7 failed", "s3://acme-lake/in/2026-06-26/xxvDyx9Im2.csv", "s3://acme-lake/out/2026-06-26/xxvDyx9Im2.csv",
		`Get "https://payments-gateway.payments.svc.cluster.local/settlements/pending/by-currency?currency=EUR&limit=100": context deadline exceeded`,
		`Get "https://fraud-scoring.payments.svc.cluster.local/assessments/pending/by-currency?currency=EUR&limit=100": context deadline exceeded`,
		`('42S02', "[42S02] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Invalid object name 'dbo.Orders'. (208) (SQLExecDirectW)")`,
		`('42S02', "[42S02] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Invalid column name 'Total'. (207) (SQLExecDirectW)")`,
		`Cannot invoke "com.acme.shop.reservations.ReservationRepository.findByCustomerAndStatus(String, Status)" because`, `Cannot invoke "com.acme.shop.reservations.ReservationRepository.findByOrderAndStatusLatest(String, Status)" because`,
		"No such file or directory: '/srv/pipeline/incoming/partner-a/exports/daily/of-the-last-week/with-a-long-name/of-all-orders.csv'",
		"No such file or directory: '/srv/pipeline/incoming/partner-b/exports/daily/of-the-last-week/with-a-long-name/of-all-orders.csv'",
		`{"message":"customer has to have at least one address that is not older than a year and can be delivered to"}`, `{"message":"quantity has to be a whole number of packs of the size that is given for the article in the list"}`,
		"Http2Exception: x", "Neo4jException: x", "Mt103Exception: x", "Mt202Exception: x", "*acme.X509Error: x", "*acme.Pkcs7Error: x",
		"POST http://x.io/orders/123: 404", "POST http://x.io/orders/123: 503", "returned 525", "returned 526", "reject code R01", "reject code R03", "respCode=05", "respCode=51",
		"OperationalError: (1205, 'x')", "OperationalError: (1213, 'x')", "SMTPDataError: (554, b'x')", "SMTPDataError: (421, b'x')", "cipher SHA2-HMAC-AUTH", "cipher SHA1-HMAC-SIGN",
		"EXPIRED-3fa85f64-5717-4562-b3fc-2c963f66afa6", "TIMEOUT-3fa85f64-5717-4562-b3fc-2c963f66afa6", "s3://bucket/IKrpwAM08O8zOsbG/Invoice.pdf", "s3://bucket/IKrpwAM08O8zOsbG/Label.pdf",
		"IKrpwAM08O8zOsbG-OrderPlaced", "IKrpwAM08O8zOsbG-OrderCancelled", "POST /customers/QVv2VKp6ghkn8i/paymentMethods", "POST /customers/QVv2VKp6ghkn8i/invoiceItems",
		"SQL0803N failed", "SQL0204N failed", "MT103 rejected", "MT940 rejected", "ISO20022 rejected", "ISO8583 rejected",
		`query "SELECT id, name FROM orders WHERE customer = $1 AND status = $2 ORDER BY created LIMIT 10" failed`,
		`query "UPDATE customers SET status = $1, updated = now() WHERE id = $2 AND version = $3 RETURNING id" failed`,
		"method 'public void com.acme.OrderListener.onOrder(java.lang.String,org.springframework.kafka.support.Acknowledgment)' failed",
		"method 'public void com.acme.PaymentListener.onPayment(java.lang.String,org.springframework.kafka.support.Acknowledgment)' failed",
		`HTTPSConnectionPool(host='shop.internal', port=443): Max retries exceeded (Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f3a9c2e1d50>: Failed to establish a new connection: [Errno 111] Connection refused'))`,
		`HTTPSConnectionPool(host='shop.internal', port=443): Max retries exceeded (Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f3a9c2e1d50>: Failed to establish a new connection: [Errno 113] No route to host'))`,
		`rpc error: code = Unavailable desc = "transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate signed by unknown authority"`,
		`rpc error: code = Unavailable desc = "transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate has expired or is not yet valid"`,
		`Referential integrity constraint violation: "FK_ORDER_CUSTOMER: PUBLIC.ORDERS FOREIGN KEY(CUSTOMER_ID) REFERENCES PUBLIC.CUSTOMERS(ID) ON UPDATE CASCADE"`,
		`Referential integrity constraint violation: "FK_ORDER_ADDRESS: PUBLIC.ORDERS FOREIGN KEY(ADDRESS_ID) REFERENCES PUBLIC.ADDRESSES(ID) ON UPDATE CASCADE"`,
		"OSError: [WinError 10054] closed", "OSError: [WinError 10060] closed", "TLS alert 42", "TLS alert 48",
		"550 5.1.1 user unknown", "550 5.7.1 user unknown", "452 4.2.2 try later", "452-4.3.1 try later", "smtp; 550-5.1.10 rejected", "smtp; 550-5.2.1 rejected",
		strings.Repeat("\tat com.acme.Order.place\n", 25) + "Caused by: java.net.ConnectException", strings.Repeat("\tat com.acme.Order.place\n", 25) + "Caused by: java.sql.SQLException",
	}
	seen := make(map[Fingerprint]string)
	for _, text := range texts {
		f := fingerprint(classify.Network, normalize(text))
		if other, is := seen[f]; is {
			t.Errorf("%q and %q are both %q", text, other, normalize(text))
		}
		seen[f] = text
	}
	one := fingerprint(classify.Network, "x")
	if other := fingerprint(classify.Transient, "x"); one == other {
		t.Error("the class does not count")
	}
}

// A text that was cut on its way is of the problem that it begins with, wherever the cut fell.
func TestTextsThatWereCutAreOneProblem(t *testing.T) {
	outcomes := make(map[string]bool)
	for digits := range 9 {
		item := `{"itemId":"3fa85f64-5717-4562-b3fc-2c963f66afa6","ms":` + strings.Repeat("7", digits+1) + "}, "
		text := "cannot reserve all of the items of the order at once: " + strings.Repeat(item, 20)
		outcomes[normalize(text[:retrytopics.MaxErrorSize])] = true
	}
	if len(outcomes) > 2 {
		t.Errorf("they are %d problems: %v", len(outcomes), outcomes)
	}
	for text, want := range map[string]string{
		"cannot read " + strings.Repeat("x7f3k9q2", 200) + " of": "cannot read <*>", strings.Repeat("x7f3k9q2", 200): "<*>", strings.Repeat(" ", 2000): "",
	} {
		if got := normalize(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestFingerprintText(t *testing.T) {
	f := fingerprint(classify.Network, "connection refused")
	got, err := ParseFingerprint(strings.ToUpper(f.String()))
	if err != nil || got != f || len(f.String()) != fingerprintLetters {
		t.Errorf("%v is read as %v: %v", f, got, err)
	}
	for _, bad := range []string{"", "abc", "abcdefg", "abcdeu", "k3-9qa", "000000"} {
		if got, err := ParseFingerprint(bad); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
	if got := (Entry{}).Fingerprint(); got == 0 {
		t.Error("an entry without an error text has no fingerprint")
	}
}

// FuzzNormalize: any text becomes one that is bounded, valid UTF-8, on one line, and left as it is the next time.
func FuzzNormalize(f *testing.F) {
	for _, text := range []string{
		"*net.OpError: dial tcp 10.0.0.7:9092: connect: connection refused", `order "ORD-1" of 'ann' at [::1]:9092, 2025-11-23T12:13:20.5Z`, "503 Service Unavailable",
		"code: \"404\" 'a\"b1\"c'", "Nov 3 <*> Mon, 4", "\xff\x00\u2028", "-5 +3 - -1", strings.Repeat("a1 ", 900), strings.Repeat("x", 3000), strings.Repeat("\t", 1100), strings.Repeat("x7f3k9q2", 200), "::1 :: a::b1 1::", "a@b.c1 x@y", "1 m=+1 UTC", "Code \"0\x00\"",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := normalize(text)
		if len(once) > normalizedSize || !utf8.ValidString(once) || strings.ContainsAny(once, "\n\r\t\x00") {
			t.Fatalf("%q becomes %q", text, once)
		}
		if twice := normalize(once); twice != once {
			t.Fatalf("%q\nbecomes %q\nand then %q", text, once, twice)
		}
	})
}

func BenchmarkNormalize(b *testing.B) {
	const text = `*url.Error: Post "http://payments.internal:8080/orders/3fa85f64-5717-4562-b3fc-2c963f66afa6": dial tcp 10.0.0.7:9092: connect: connection refused`
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		normalize(text)
	}
}

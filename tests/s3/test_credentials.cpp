#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include "s3/credentials_place.hpp"
#include "s3/legacy_hash.hpp"
#include "s3/scene.hpp"

#include <catch2/catch.hpp>

using namespace cooper;               // NOLINT(google-build-using-namespace)
using namespace cooper::s3;           // NOLINT(google-build-using-namespace)
using namespace cooper::s3::testing;  // NOLINT(google-build-using-namespace)

namespace {

constexpr const char* kSts = "POST https://sts.";

}  // namespace

TEST_CASE("credentials: nothing anywhere is one error that lists what was tried", "[unit][s3]") {
    Place place;
    const auto chain = place.chain();
    const std::string error = error_of([&] { (void)chain->get(place.run); });
    CHECK(error.starts_with("access-denied: no AWS credentials found"));
    for (const char* tried :
         {"environment: AWS_ACCESS_KEY_ID", "profile default: role", "web identity", "GitHub Actions", "SSO",
          "credentials file", "process", "config file", "container", "instance metadata: switched off"}) {
        INFO(tried);
        CHECK(error.find(tried) != std::string::npos);
    }
}

TEST_CASE("credentials: the environment, whole or not at all", "[unit][s3]") {
    Place place;
    const Credentials found =
        place.chain({{"AWS_ACCESS_KEY_ID", "AK"}, {"AWS_SECRET_ACCESS_KEY", "SK"}, {"AWS_SESSION_TOKEN", "T"}})
            ->get(place.run);
    CHECK(found.access_key_id == "AK");
    CHECK(found.secret_access_key.reveal() == "SK");
    CHECK(found.session_token.reveal() == "T");
    CHECK_FALSE(found.expires);
    CHECK(found.origin == "environment");
    CHECK(error_of([&] {
              (void)place.chain({{"AWS_ACCESS_KEY_ID", "AK"}})->get(place.run);
          }).starts_with("invalid-input"));
    CHECK(error_of([&] {
              (void)place.chain({{"AWS_ACCESS_KEY_ID", "A\r\nX: y"}, {"AWS_SECRET_ACCESS_KEY", "SK"}})->get(place.run);
          }).starts_with("invalid-input"));
}

TEST_CASE("credentials: a session of the environment that has ended is told before it is used", "[unit][s3]") {
    Place place;
    const auto chain = place.chain({{"AWS_ACCESS_KEY_ID", "AK"},
                                    {"AWS_SECRET_ACCESS_KEY", "SK"},
                                    {"AWS_SESSION_TOKEN", "T"},
                                    {"AWS_CREDENTIAL_EXPIRATION", place.time(-std::chrono::hours(1))}});
    CHECK(error_of([&] { (void)chain->get(place.run); }).find("ended at") != std::string::npos);
}

TEST_CASE("credentials: files, and the order among environment, profile and flag", "[unit][s3]") {
    Place place;
    place.credentials(
        "[default]\naws_access_key_id = DEF\naws_secret_access_key = d\n[prod]\naws_access_key_id = "
        "PROD\naws_secret_access_key = p\n");
    place.config("[profile conf]\naws_access_key_id = CONF\naws_secret_access_key = c\n");
    const Variables keys{{"AWS_ACCESS_KEY_ID", "ENV"}, {"AWS_SECRET_ACCESS_KEY", "e"}};
    CHECK(place.chain()->get(place.run).access_key_id == "DEF");
    CHECK(place.chain({{"AWS_PROFILE", "conf"}})->get(place.run).access_key_id == "CONF");
    CHECK(place.chain(keys)->get(place.run).access_key_id == "ENV");
    Variables with_profile = keys;
    with_profile["AWS_PROFILE"] = "prod";
    CHECK(place.chain(with_profile)->get(place.run).access_key_id == "ENV");
    CHECK(place.chain(keys, {.profile = "prod", .region = "", .role_arn = ""})->get(place.run).access_key_id == "PROD");
    CHECK(error_of([&] {
              (void)place.chain({}, {.profile = "nope", .region = "", .role_arn = ""})->get(place.run);
          }).find("no AWS profile nope") != std::string::npos);
}

TEST_CASE("credentials: a role by source profile is asked for with the source's keys, signed", "[unit][s3]") {
    Place place;
    place.config(
        "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\nregion = eu-west-1\nexternal_id = x/y\n"
        "role_session_name = me@here\nduration_seconds = 1800\n");
    place.credentials("[base]\naws_access_key_id = BASE\naws_secret_access_key = b\n");
    place.services.answer(kSts, 200, sts_answer("AssumeRole", "ROLE", place.time(std::chrono::hours(1))));
    const Credentials found = place.chain()->get(place.run);
    CHECK(found.access_key_id == "ROLE");
    CHECK(found.session_token.reveal() == "role/token+=");
    CHECK(found.expires == place.clock.now_seconds() + std::chrono::hours(1));
    CHECK(found.origin.find("arn:aws:iam::1:role/r") != std::string::npos);
    const auto asked = place.services.asked();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].line == "POST https://sts.eu-west-1.amazonaws.com/");
    CHECK(asked[0].body.find("Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
                             "RoleSessionName=me%40here&ExternalId=x%2Fy&DurationSeconds=1800") == 0);
    CHECK(asked[0].request.headers.find("authorization")->find("Credential=BASE/") != std::string::npos);
    CHECK(asked[0].request.headers.find("authorization")->find("/eu-west-1/sts/aws4_request") != std::string::npos);
}

TEST_CASE("credentials: chains of roles, a profile that names itself, loops, and half settings", "[unit][s3]") {
    Place place;
    place.config(
        "[profile a]\nrole_arn = arn:a\nsource_profile = b\n[profile b]\nrole_arn = arn:b\nsource_profile = keys\n"
        "[profile self]\nrole_arn = arn:self\nsource_profile = self\naws_access_key_id = SELF\naws_secret_access_key = "
        "s\n"
        "[profile x]\nrole_arn = arn:x\nsource_profile = y\n[profile y]\nrole_arn = arn:y\nsource_profile = x\n"
        "[profile both]\nrole_arn = arn:both\nsource_profile = keys\ncredential_source = Environment\n"
        "[profile none]\nrole_arn = arn:none\n[profile mfa]\nrole_arn = arn:mfa\nsource_profile = keys\nmfa_serial = "
        "arn:mfa\n"
        "[profile env]\nrole_arn = arn:env\ncredential_source = Environment\n");
    place.credentials("[keys]\naws_access_key_id = KEYS\naws_secret_access_key = k\n");
    place.services.answer(kSts, 200, sts_answer("AssumeRole", "ROLE", place.time(std::chrono::hours(1))));
    const auto with = [&place](const std::string& profile, Variables variables = {}) {
        return place.chain(std::move(variables), {.profile = profile, .region = "", .role_arn = ""});
    };
    CHECK(with("a")->get(place.run).access_key_id == "ROLE");
    REQUIRE(place.services.asked().size() == 2);
    CHECK(place.services.asked()[0].request.headers.find("authorization")->find("Credential=KEYS/") !=
          std::string::npos);
    CHECK(place.services.asked()[1].request.headers.find("authorization")->find("Credential=ROLE/") !=
          std::string::npos);
    CHECK(place.services.asked()[1].request.headers.find("x-amz-security-token") == "role/token+=");
    CHECK(with("self")->get(place.run).access_key_id == "ROLE");
    CHECK(place.services.asked()[2].request.headers.find("authorization")->find("Credential=SELF/") !=
          std::string::npos);
    CHECK(with("env", {{"AWS_ACCESS_KEY_ID", "ENV"}, {"AWS_SECRET_ACCESS_KEY", "e"}})->get(place.run).access_key_id ==
          "ROLE");
    CHECK(error_of([&] { (void)with("x")->get(place.run); }).find("leads back") != std::string::npos);
    CHECK(error_of([&] { (void)with("both")->get(place.run); }).find("not both") != std::string::npos);
    CHECK(error_of([&] { (void)with("none")->get(place.run); }).find("not both") != std::string::npos);
    CHECK(error_of([&] { (void)with("mfa")->get(place.run); }).starts_with("unsupported"));
}

TEST_CASE("credentials: what STS refuses is told with its code, and what passes is tried again", "[unit][s3]") {
    Place place;
    place.config("[default]\nrole_arn = arn:r\ncredential_source = Environment\n");
    const Variables keys{{"AWS_ACCESS_KEY_ID", "ENV"}, {"AWS_SECRET_ACCESS_KEY", "e"}};
    place.services.answer(kSts, 403,
                          "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not "
                          "you</Message></Error><RequestId>R</RequestId></ErrorResponse>");
    const auto chain = place.chain(keys, {.profile = "default", .region = "", .role_arn = ""});
    const std::string error = error_of([&] { (void)chain->get(place.run); });
    CHECK(error.find("arn:r") != std::string::npos);
    CHECK(error.find("AccessDenied: not you") != std::string::npos);
    place.services.answer(kSts, 503, "");
    const std::size_t before = place.services.asked().size();
    CHECK(error_of([&] { (void)chain->get(place.run); }).starts_with("unavailable"));
    CHECK(place.services.asked().size() - before == 3);
}

TEST_CASE("credentials: web identity reads its token afresh each time and signs nothing", "[unit][s3]") {
    Place place;
    write_file(place.home.path() / "token", "JWT-1\n");
    place.services.answer("POST http://sts.example/", 200,
                          sts_answer("AssumeRoleWithWebIdentity", "WEB", place.time(std::chrono::hours(1))));
    const auto chain = place.chain({{"AWS_WEB_IDENTITY_TOKEN_FILE", (place.home.path() / "token").string()},
                                    {"AWS_ROLE_ARN", "arn:web"},
                                    {"AWS_ROLE_SESSION_NAME", "a b"},
                                    {"AWS_ENDPOINT_URL_STS", "http://sts.example"}});
    CHECK(chain->get(place.run).access_key_id == "WEB");
    write_file(place.home.path() / "token", "JWT-2\n");
    place.clock.advance(std::chrono::minutes(55));
    place.services.answer("POST http://sts.example/", 200,
                          sts_answer("AssumeRoleWithWebIdentity", "WEB2", place.time(std::chrono::hours(1))));
    CHECK(chain->get(place.run).access_key_id == "WEB2");
    const auto asked = place.services.asked();
    REQUIRE(asked.size() == 2);
    CHECK(asked[0].body.find("RoleSessionName=a-b") != std::string::npos);
    CHECK(asked[0].body.find("WebIdentityToken=JWT-1") != std::string::npos);
    CHECK(asked[1].body.find("WebIdentityToken=JWT-2") != std::string::npos);
    CHECK_FALSE(asked[0].request.headers.find("authorization"));
}

TEST_CASE("credentials: GitHub's OIDC token is exchanged for the role, with a new token each time", "[unit][s3]") {
    Place place;
    place.services.answer("GET https://token.example/?api-version=2.0&audience=sts.amazonaws.com", 200,
                          R"({"count":1,"value":"JWT"})");
    place.services.answer(kSts, 200,
                          sts_answer("AssumeRoleWithWebIdentity", "OIDC", place.time(std::chrono::hours(1))));
    const Variables job{{"ACTIONS_ID_TOKEN_REQUEST_URL", "https://token.example/?api-version=2.0"},
                        {"ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer-secret"},
                        {"GITHUB_RUN_ID", "42"},
                        {"AWS_REGION", "us-west-2"}};
    const auto chain = place.chain(job, {.profile = "", .region = "", .role_arn = "arn:gh"});
    const Credentials found = chain->get(place.run);
    CHECK(found.access_key_id == "OIDC");
    CHECK(found.origin == "GitHub OIDC (role arn:gh)");
    CHECK(place.services.asked()[0].request.headers.find("authorization") == "bearer bearer-secret");
    CHECK(place.services.asked()[1].body.find("RoleSessionName=cooper-42") != std::string::npos);
    chain->invalidate();
    (void)chain->get(place.run);
    CHECK(place.services.count("GET https://token.example/") == 2);

    place.services.answer("GET https://token.example/?api-version=2.0&audience=sts.amazonaws.com", 401, "");
    chain->invalidate();
    const std::string error = error_of([&] { (void)chain->get(place.run); });
    CHECK(error.find("GitHub answered 401") != std::string::npos);
    CHECK(error.find("bearer-secret") == std::string::npos);
}

TEST_CASE("credentials: a role by flag is taken with what the chain finds where there is no job token", "[unit][s3]") {
    Place place;
    place.services.answer(kSts, 200, sts_answer("AssumeRole", "ROLE", place.time(std::chrono::hours(1))));
    const auto chain = place.chain({{"AWS_ACCESS_KEY_ID", "ENV"}, {"AWS_SECRET_ACCESS_KEY", "e"}},
                                   {.profile = "", .region = "eu-north-1", .role_arn = "arn:flag"});
    CHECK(chain->get(place.run).origin == "role arn:flag");
    CHECK(place.services.asked()[0].line.find("sts.eu-north-1") != std::string::npos);
}

TEST_CASE("credentials: SSO from the cache, renewed when it is about to end, else the command to log in",
          "[unit][s3]") {
    Place place;
    place.config(
        "[profile dev]\nsso_session = corp\nsso_account_id = 111\nsso_role_name = Admin\n"
        "[sso-session corp]\nsso_start_url = https://corp.example/start\nsso_region = eu-west-1\n");
    const std::string name = to_hex(as_bytes(legacy_hash(LegacyHash::Sha1, as_bytes("corp"))));
    const auto cache = place.home.path() / (".aws/sso/cache/" + name + ".json");
    const CredentialsOptions dev{.profile = "dev", .region = "", .role_arn = ""};
    const std::string not_logged_in = error_of([&] { (void)place.chain({}, dev)->get(place.run); });
    CHECK(not_logged_in.find("not logged in") != std::string::npos);

    const std::string role =
        R"({"roleCredentials":{"accessKeyId":"SSO","secretAccessKey":"s","sessionToken":"t","expiration":)" +
        std::to_string((place.clock.now_seconds() + std::chrono::hours(1)).time_since_epoch().count() * 1000) + "}}";
    place.services.answer(
        "GET https://portal.sso.eu-west-1.amazonaws.com/federation/credentials?account_id=111&role_name=Admin", 200,
        role);
    write_file(cache, R"({"accessToken":"AT1","expiresAt":")" + place.time(std::chrono::hours(2)) + "\"}");
    const Credentials found = place.chain({}, dev)->get(place.run);
    CHECK(found.access_key_id == "SSO");
    CHECK(found.expires == place.clock.now_seconds() + std::chrono::hours(1));
    CHECK(place.services.asked()[0].request.headers.find("x-amz-sso_bearer_token") == "AT1");

    place.services.answer("POST https://oidc.eu-west-1.amazonaws.com/token", 200,
                          R"({"accessToken":"AT2","expiresIn":28800,"refreshToken":"RT2"})");
    write_file(cache, R"({"accessToken":"AT1","expiresAt":")" + place.time(std::chrono::minutes(5)) +
                          R"(","refreshToken":"RT1","clientId":"C","clientSecret":"CS","registrationExpiresAt":")" +
                          place.time(std::chrono::hours(99)) + "\"}");
    CHECK(place.chain({}, dev)->get(place.run).access_key_id == "SSO");
    CHECK(place.services.asked().back().request.headers.find("x-amz-sso_bearer_token") == "AT2");
    const std::string kept = read_file(cache, 10'000);
    CHECK(kept.find("RT2") != std::string::npos);
    CHECK(kept.find("AT2") != std::string::npos);
    CHECK((std::filesystem::status(cache).permissions() & std::filesystem::perms::group_read) ==
          std::filesystem::perms::none);

    write_file(cache, R"({"accessToken":"AT1","expiresAt":")" + place.time(-std::chrono::minutes(5)) + "\"}");
    CHECK(error_of([&] { (void)place.chain({}, dev)->get(place.run); }).find("login has ended") != std::string::npos);
}

TEST_CASE("credentials: a process speaks JSON version 1, and its errors do not show what it printed", "[unit][s3]") {
    Place place;
    const auto script = place.home.path() / "the helper";
    const auto set_script = [&script](const std::string& text) {
        write_file(script, "#!/bin/sh\n" + text);
        std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    };
    place.config("[default]\ncredential_process = \"" + script.string() + "\" --flag 'a b'\n");
    set_script(
        R"(test "$2" = "a b" && echo '{"Version":1,"AccessKeyId":"PROC","SecretAccessKey":"s","SessionToken":"t","Expiration":")" +
        place.time(std::chrono::hours(1)) + "\"}'\n");
    const Credentials found = place.chain()->get(place.run);
    CHECK(found.access_key_id == "PROC");
    CHECK(found.expires);
    set_script("echo '{\"Version\":1,\"SecretAccessKey\":\"hidden\"}'; echo 'no ticket' >&2; exit 3\n");
    const std::string error = error_of([&] { (void)place.chain()->get(place.run); });
    CHECK(error.find("status 3: no ticket") != std::string::npos);
    CHECK(error.find("hidden") == std::string::npos);
    set_script("echo '{\"Version\":2,\"AccessKeyId\":\"P\",\"SecretAccessKey\":\"s\"}'\n");
    CHECK(error_of([&] { (void)place.chain()->get(place.run); }).starts_with("unsupported"));
}

TEST_CASE("credentials: containers, by relative or full address, over plain http only to themselves", "[unit][s3]") {
    Place place;
    place.services.answer("GET http://169.254.170.2/v2/creds", 200,
                          session_json("ECS", place.time(std::chrono::hours(6))));
    CHECK(place.chain({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/creds"}})->get(place.run).access_key_id ==
          "ECS");
    CHECK_FALSE(place.services.asked()[0].request.use_proxy);

    write_file(place.home.path() / "token", "pod-token\n");
    place.services.answer("GET http://169.254.170.23/v1", 200, session_json("EKS", place.time(std::chrono::hours(6))));
    const Variables pod{{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"},
                        {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", (place.home.path() / "token").string()}};
    CHECK(place.chain(pod)->get(place.run).access_key_id == "EKS");
    CHECK(place.services.asked()[1].request.headers.find("authorization") == "pod-token");

    CHECK(error_of([&] {
              (void)place.chain({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/"}})->get(place.run);
          }).starts_with("invalid-input"));
    const Variables injected{{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/creds"},
                             {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nb"}};
    CHECK(error_of([&] { (void)place.chain(injected)->get(place.run); }).starts_with("invalid-input"));
}

TEST_CASE("credentials: instance metadata, version 2 only", "[unit][s3]") {
    Place place;
    const Variables here{{"AWS_EC2_METADATA_DISABLED", "false"},
                         {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://imds.example/"}};
    place.services.answer("PUT http://imds.example/latest/api/token", 200, "SESSION");
    place.services.answer("GET http://imds.example/latest/meta-data/iam/security-credentials/", 200, "my role\n");
    place.services.answer("GET http://imds.example/latest/meta-data/iam/security-credentials/my%20role", 200,
                          session_json("EC2", place.time(std::chrono::hours(6))));
    CHECK(place.chain(here)->get(place.run).origin == "instance metadata (role my role)");
    const auto asked = place.services.asked();
    REQUIRE(asked.size() == 3);
    CHECK(asked[0].request.headers.find("x-aws-ec2-metadata-token-ttl-seconds") == "21600");
    CHECK(asked[2].request.headers.find("x-aws-ec2-metadata-token") == "SESSION");
    CHECK(asked[2].request.response_timeout == std::chrono::seconds(1));

    place.services.answer("GET http://imds.example/latest/meta-data/iam/security-credentials/my%20role", 200,
                          R"({"Code":"Failed","Message":"x"})");
    CHECK(error_of([&] { (void)place.chain(here)->get(place.run); }).find("no keys at the moment") !=
          std::string::npos);
    CHECK(error_of([&] {
              (void)place.chain({{"AWS_EC2_METADATA_DISABLED", "false"}})->get(place.run);
          }).find("not on an EC2 instance") != std::string::npos);
}

TEST_CASE("credentials: ended keys of an instance whose metadata is down are kept in use, and asked for later",
          "[unit][s3]") {
    Place place;
    const std::string keys = "GET http://imds.example/latest/meta-data/iam/security-credentials/r";
    place.services.answer("PUT http://imds.example/latest/api/token", 200, "SESSION");
    place.services.answer("GET http://imds.example/latest/meta-data/iam/security-credentials/", 200, "r");
    place.services.answer(keys, 200, session_json("EC2", place.time(-std::chrono::minutes(1))));
    const auto chain =
        place.chain({{"AWS_EC2_METADATA_DISABLED", ""}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://imds.example"}});
    CHECK(chain->get(place.run).access_key_id == "EC2");
    place.clock.advance(std::chrono::minutes(16));
    CHECK(chain->get(place.run).access_key_id == "EC2");
    CHECK(place.services.count(keys) == 1);
    place.clock.advance(std::chrono::minutes(10));
    place.services.answer(keys, 200, session_json("NEW", place.time(std::chrono::hours(6))));
    CHECK(chain->get(place.run).access_key_id == "NEW");
}

#include "cooper/base/files.hpp"

#include "s3/endpoint.hpp"
#include "s3/scene.hpp"

#include <catch2/catch.hpp>

using namespace cooper;      // NOLINT(google-build-using-namespace)
using namespace cooper::s3;  // NOLINT(google-build-using-namespace)
using cooper::s3::testing::error_of;

namespace {

/// An environment whose AWS files lie in a directory of its own.
class Home {
public:
    void config(const std::string& text) { write_file(directory_.path() / "config", text); }
    void credentials(const std::string& text) { write_file(directory_.path() / "credentials", text); }
    [[nodiscard]] Environment environment(std::map<std::string, std::string, std::less<>> more = {}) const {
        more.try_emplace("HOME", directory_.path().string());
        more.try_emplace("AWS_CONFIG_FILE", (directory_.path() / "config").string());
        more.try_emplace("AWS_SHARED_CREDENTIALS_FILE", (directory_.path() / "credentials").string());
        return Environment(std::move(more));
    }

private:
    TempDirectory directory_;
};

std::string url_of(const Settings& settings, const std::string& bucket, const std::string& key) {
    return locate(settings, bucket, key).url.text();
}

}  // namespace

TEST_CASE("endpoint: AWS by virtual host, by path when the certificate would not fit", "[unit][s3]") {
    Settings settings;
    settings.region = "eu-central-1";
    CHECK(url_of(settings, "images", "a:b.tar") == "https://images.s3.eu-central-1.amazonaws.com/a%3Ab.tar");
    CHECK(url_of(settings, "my.images", "k") == "https://s3.eu-central-1.amazonaws.com/my.images/k");
    CHECK(url_of(settings, "Old_Bucket", "k") == "https://s3.eu-central-1.amazonaws.com/Old_Bucket/k");
    CHECK(url_of(settings, "images", "") == "https://images.s3.eu-central-1.amazonaws.com/");
    settings.region = "cn-north-1";
    CHECK(url_of(settings, "images", "k") == "https://images.s3.cn-north-1.amazonaws.com.cn/k");
    settings.region = "eusc-de-east-1";
    CHECK(url_of(settings, "images", "k") == "https://images.s3.eusc-de-east-1.amazonaws.eu/k");
}

TEST_CASE("endpoint: dual stack, FIPS and both", "[unit][s3]") {
    Settings settings;
    settings.region = "us-gov-west-1";
    settings.fips = true;
    CHECK(url_of(settings, "b00", "k") == "https://b00.s3-fips.us-gov-west-1.amazonaws.com/k");
    settings.dualstack = true;
    CHECK(url_of(settings, "b00", "k") == "https://b00.s3-fips.dualstack.us-gov-west-1.amazonaws.com/k");
    settings.fips = false;
    CHECK(url_of(settings, "b00", "k") == "https://b00.s3.dualstack.us-gov-west-1.amazonaws.com/k");
}

TEST_CASE("endpoint: a store of one's own by path, unless asked otherwise, with its base path", "[unit][s3]") {
    Settings settings;
    settings.endpoint = "https://gw.example.com/s3/";
    CHECK(url_of(settings, "images", "a b") == "https://gw.example.com/s3/images/a%20b");
    CHECK(locate(settings, "images", "a b").path == "/s3/images/a b");
    settings.addressing = AddressingStyle::VirtualHost;
    CHECK(url_of(settings, "images", "k") == "https://images.gw.example.com/s3/k");
    settings.endpoint = "http://127.0.0.1:9000";
    CHECK(url_of(settings, "images", "k") == "http://127.0.0.1:9000/images/k");
}

TEST_CASE("endpoint: a region that could escape from the host name is refused", "[unit][s3]") {
    Settings settings;
    settings.region = "evil.example/";
    CHECK(error_of([&] { (void)locate(settings, "images", "k"); }).starts_with("invalid-input"));
}

TEST_CASE("endpoint: buckets that need another protocol are refused with a reason", "[unit][s3]") {
    CHECK(error_of([] { check_bucket_name("fast--use1-az4--x-s3"); }).find("directory bucket") != std::string::npos);
    CHECK(error_of([] { check_bucket_name("mfzwi23gnjvgw.mrap"); }).starts_with("unsupported"));
    CHECK(error_of([] { check_bucket_name("arn:aws:s3:us-west-2:1:accesspoint/x"); }).starts_with("unsupported"));
    for (const char* bad : {"", "a/b", "a b", "..", "a?b"}) {
        CHECK(error_of([bad] { check_bucket_name(bad); }).starts_with("invalid-input"));
    }
    CHECK_NOTHROW(check_bucket_name("my.dotted-bucket_1"));
}

TEST_CASE("endpoint: the region in AWS's host names", "[unit][s3]") {
    CHECK(region_of_host("b.s3.eu-west-1.amazonaws.com") == "eu-west-1");
    CHECK(region_of_host("s3.dualstack.ap-southeast-2.amazonaws.com") == "ap-southeast-2");
    CHECK_FALSE(region_of_host("s3.amazonaws.com"));
    CHECK_FALSE(region_of_host("b.s3.example.com"));
    CHECK_FALSE(region_of_host("b.s3.eu-west-1.evil.com"));
}

TEST_CASE("s3 url: bucket and key", "[unit][s3]") {
    CHECK(S3Url::parse("s3://b00/a/b:c.tar").key == "a/b:c.tar");
    CHECK(S3Url::parse("s3://b00").key.empty());
    CHECK(S3Url::parse("s3://b00/").key.empty());
    CHECK(S3Url::parse("s3://b00/k").text() == "s3://b00/k");
    for (const char* bad : {"b00/k", "s3:/b00", "s3://", "s3:///k", "s3://b00//k", "https://b00"}) {
        INFO(bad);
        CHECK(error_of([bad] { (void)S3Url::parse(bad); }).starts_with("invalid-input"));
    }
}

TEST_CASE("settings: environment before profile, service before general", "[unit][s3]") {
    Home home;
    home.config(R"([default]
region = eu-west-1
endpoint_url = https://all.example
s3 =
    addressing_style = virtual
    use_accelerate_endpoint = true
[profile minio]
region = us-west-2   ; trailing comment
services = local
[services local]
s3 =
  endpoint_url = http://minio.example:9000
sts =
  endpoint_url = http://sts.example
)");
    const Settings plain = resolve_settings(home.environment());
    CHECK(plain.region == "eu-west-1");
    CHECK(plain.endpoint == "https://all.example");
    CHECK(plain.addressing == AddressingStyle::VirtualHost);
    CHECK(plain.accelerate);

    const Settings minio = resolve_settings(home.environment({{"AWS_REGION", "ap-south-1"}}), "minio");
    CHECK(minio.region == "ap-south-1");
    CHECK(minio.endpoint == "http://minio.example:9000");

    const Settings by_variable = resolve_settings(
        home.environment({{"AWS_ENDPOINT_URL", "https://general"}, {"AWS_ENDPOINT_URL_S3", "https://special"}}));
    CHECK(by_variable.endpoint == "https://special");
    const Settings ignoring = resolve_settings(
        home.environment({{"AWS_ENDPOINT_URL_S3", "https://x"}, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"}}));
    CHECK(ignoring.endpoint.empty());
}

TEST_CASE("settings: switches of the environment", "[unit][s3]") {
    const Home home;
    const Settings settings =
        resolve_settings(home.environment({{"AWS_USE_FIPS_ENDPOINT", "true"},
                                           {"AWS_USE_DUALSTACK_ENDPOINT", "TRUE"},
                                           {"AWS_CA_BUNDLE", "/etc/ca.pem"},
                                           {"AWS_MAX_ATTEMPTS", "3"},
                                           {"AWS_REQUEST_CHECKSUM_CALCULATION", "when_required"}}));
    CHECK(settings.fips);
    CHECK(settings.dualstack);
    CHECK(settings.ca_bundle == "/etc/ca.pem");
    CHECK(settings.retry.attempts == 3);
    CHECK(settings.checksums == Settings::Checksums::WhenRequired);
    CHECK(settings.region == "us-east-1");
}

TEST_CASE("settings: a profile that is nowhere is an error", "[unit][s3]") {
    const Home home;
    CHECK(error_of([&] { (void)resolve_settings(home.environment(), "prod"); }).find("no AWS profile prod") !=
          std::string::npos);
    CHECK(error_of([&] {
              (void)resolve_settings(home.environment({{"AWS_PROFILE", "prod"}}));
          }).find("no AWS profile prod") != std::string::npos);
}

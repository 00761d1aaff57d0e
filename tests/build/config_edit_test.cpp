#include "build/edit_support.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::string_literals;

namespace {

using Form = LayerSpec::Form;

oci::Image image_of(const std::string& container, const std::string& rest = "") {
    return image_of_config(R"({"architecture":"amd64","os":"linux","config":)" + container +
                           R"(,"rootfs":{"type":"layers","diff_ids":[]})" + rest + "}");
}

std::string edited(const std::string& container, const ConfigEdit& edit) {
    return config_member(edit_config(image_of(container), edit), "config");
}

}  // namespace

TEST_CASE("config: ports as EXPOSE takes them", "[unit][build]") {
    using Ports = std::vector<std::string>;
    CHECK(parse_ports("80") == Ports{"80/tcp"});
    CHECK(parse_ports("80/UDP") == Ports{"80/udp"});
    CHECK(parse_ports("80/") == Ports{"80/tcp"});
    CHECK(parse_ports("+80") == Ports{"80/tcp"});
    CHECK(parse_ports("080") == Ports{"80/tcp"});
    CHECK(parse_ports("0") == Ports{"0/tcp"});
    CHECK(parse_ports("80-82/sctp") == Ports{"80/sctp", "81/sctp", "82/sctp"});
    CHECK(parse_ports("80-80") == Ports{"80/tcp"});
    CHECK(parse_ports("8080:80/udp") == Ports{"80/udp"});
    CHECK(parse_ports("8000-8002:80") == Ports{"80/tcp"});
    CHECK(parse_ports("0.0.0.0:1234-1235:3333-3334/tcp") == Ports{"3333/tcp", "3334/tcp"});
    CHECK(parse_ports("127.0.0.1::80") == Ports{"80/tcp"});
    CHECK(parse_ports("[::1]:80:80") == Ports{"80/tcp"});
    CHECK(parse_ports("::::80") == Ports{"80/tcp"});
    CHECK(parse_ports("2001:4860:0:2001::68::333") == Ports{"333/tcp"});
    for (const auto* text : {"", "/tcp", "80/foo", "80/tcp/udp", "82-80", "65536", "-1", "abc", "80-", "-80", " 80",
                             "8000-8001:80-82", "localhost:80:80", "0.0.0.0:1234-1235:"}) {
        CAPTURE(text);
        CHECK(code_of([&] { (void)parse_ports(text); }) == ErrorCode::InvalidInput);
    }
}

TEST_CASE("config: durations as Go reads them", "[unit][build]") {
    CHECK(parse_go_duration("0").count() == 0);
    CHECK(parse_go_duration("0s").count() == 0);
    CHECK(parse_go_duration("1.5s").count() == 1'500'000'000);
    CHECK(parse_go_duration("1m30s").count() == 90'000'000'000);
    CHECK(parse_go_duration(".5s").count() == 500'000'000);
    CHECK(parse_go_duration("1.s").count() == 1'000'000'000);
    CHECK(parse_go_duration("10\xc2\xb5s").count() == 10'000);
    CHECK(parse_go_duration("-1s").count() == -1'000'000'000);
    CHECK(parse_go_duration("+1s").count() == 1'000'000'000);
    CHECK(parse_go_duration("1h1m1s1ms1us1ns").count() == 3'661'001'001'001);
    CHECK(parse_go_duration("9223372036s").count() == 9'223'372'036'000'000'000);
    for (const auto* text : {"", "1", "s", "1x", "1 s", "1S", "1d", "9223372037s", "1m 30s", ".", ".s", "-", "1s-1s",
                             "9000000000s9000000000s"}) {
        CAPTURE(text);
        CHECK(code_of([&] { (void)parse_go_duration(text); }) == ErrorCode::InvalidInput);
    }
}

TEST_CASE("config: ports, volumes, stop signal and author", "[unit][build]") {
    ConfigEdit edit;
    edit.ports = {"443", "80-81"};
    edit.volumes = {"/data", "/a b"};
    edit.stop_signal = "SIGQUIT";
    edit.author = "Ada";
    const auto image = edit_config(image_of(R"({"ExposedPorts":{"443/tcp":{ }}})"), edit);
    CHECK(
        config_member(image, "config") ==
        R"({"ExposedPorts":{"443/tcp":{ },"80/tcp":{},"81/tcp":{}},"Volumes":{"/a b":{},"/data":{}},"StopSignal":"SIGQUIT"})");
    CHECK(config_member(image, "author") == "\"Ada\"");
    CHECK(
        config_member(image, "history") ==
        R"([{"created":"1970-01-01T00:00:00Z","created_by":"cooper config: port 80/tcp, port 81/tcp, volume /data, volume /a b, stop signal, author","empty_layer":true}])");
    for (const auto* signal : {"9", "term", "RTMIN+15", "SIGRTMAX-14"}) {
        edit = {};
        edit.stop_signal = signal;
        CHECK(edited("{}", edit) == R"({"StopSignal":")" + std::string(signal) + "\"}");
    }
    for (const auto* signal : {"0", "65", "SIGNAL", "RTMIN+16", "RTMIN+", "SIG"}) {
        CAPTURE(signal);
        edit = {};
        edit.stop_signal = signal;
        CHECK(code_of([&] { edited("{}", edit); }) == ErrorCode::InvalidInput);
    }
    edit = {};
    edit.volumes = {"data"};
    CHECK(code_of([&] { edited("{}", edit); }) == ErrorCode::InvalidInput);
}

TEST_CASE("config: what is unset goes, and the rest stays as it stands there", "[unit][build]") {
    ConfigEdit edit;
    edit.unset_env = {"A", "NOT"};
    edit.unset_labels = {"l"};
    edit.unset_ports = {"80-81"};
    edit.unset_volumes = {"/data"};
    edit.reset_entrypoint = true;
    edit.reset_cmd = true;
    edit.user = "";
    CHECK(edited(R"({ "Env": [ "A=1", "B=2", "A=3" ], "Labels": {"l":"1", "m": "2"}, "User":"me",)"
                 R"("ExposedPorts":{"80/tcp":{},"9/tcp":{}},"Volumes":{"/data":{}},"Entrypoint":["e"],"Cmd":["c"]})",
                 edit) == R"({ "Env": [ "B=2" ], "Labels": { "m": "2"},)"
                          R"("ExposedPorts":{"9/tcp":{}},"Volumes":{},"Entrypoint":null,"Cmd":null})");
}

TEST_CASE("config: a variable that is unset and set again comes last", "[unit][build]") {
    ConfigEdit edit;
    edit.unset_env = {"A"};
    edit.env = {{"A", "9"}};
    CHECK(edited(R"({"Env":["A=1","B=2"]})", edit) == R"({"Env":["B=2","A=9"]})");
}

TEST_CASE("config: health checks are merged part by part", "[unit][build]") {
    ConfigEdit edit;
    edit.healthcheck = HealthcheckEdit{};
    edit.healthcheck->test = {"CMD-SHELL", "curl -f localhost"};
    edit.healthcheck->interval = std::chrono::seconds(30);
    edit.healthcheck->retries = 3;
    CHECK(
        edited(R"({"Healthcheck":{"Test":["CMD","old"],"Timeout":1,"X":1.10}})", edit) ==
        R"({"Healthcheck":{"Test":["CMD-SHELL","curl -f localhost"],"Timeout":1,"X":1.10,"Interval":30000000000,"Retries":3}})");
    edit.healthcheck = HealthcheckEdit{};
    edit.healthcheck->test = {"NONE"};
    CHECK(edited(R"({"Healthcheck":{"Test":["CMD","old"],"Timeout":1}})", edit) ==
          R"({"Healthcheck":{"Test":["NONE"]}})");
    edit = {};
    edit.reset_healthcheck = true;
    CHECK(edited(R"({"Healthcheck":{"Test":["CMD","old"]},"User":"me"})", edit) == R"({"User":"me"})");

    edit = {};
    edit.healthcheck = HealthcheckEdit{};
    edit.healthcheck->timeout = std::chrono::microseconds(999);
    CHECK(code_of([&] { edited("{}", edit); }) == ErrorCode::InvalidInput);
    for (const std::vector<std::string>& test :
         {std::vector<std::string>{"curl"}, {"CMD"}, {"NONE", "x"}, {"CMD-SHELL", "a", "b"}}) {
        edit.healthcheck = HealthcheckEdit{};
        edit.healthcheck->test = test;
        CHECK(code_of([&] { edited("{}", edit); }) == ErrorCode::InvalidInput);
    }
}

TEST_CASE("config: an edit that changes nothing keeps every digest", "[unit][build]") {
    const auto image = image_of(
        R"({ "Env" : ["A=1"], "Entrypoint": [ "/run" ], "Cmd": null, "Labels":{"a":"\u0062"},"ExposedPorts":{"80/tcp":{}}})",
        R"(,"author":"Ada","created":"2020-01-01T00:00:00.5Z")");
    ConfigEdit edit;
    edit.env = {{"A", "1"}};
    edit.entrypoint = {"/run"};
    edit.labels = {{"a", "b"}};
    edit.ports = {"80/tcp"};
    edit.unset_env = {"B"};
    edit.unset_volumes = {"/v"};
    edit.reset_healthcheck = true;
    edit.reset_cmd = true;
    edit.user = "";
    edit.author = "Ada";
    edit.created = TimePoint(std::chrono::seconds(1'577'836'800));
    edit.edit_time = TimePoint(std::chrono::seconds(5));
    const auto same = edit_config(image, edit);
    CHECK(same.manifest.raw.digest == image.manifest.raw.digest);
    CHECK(same.config.raw == image.config.raw);
}

TEST_CASE("config: the manifest keeps its kind, its members and its spaces", "[unit][build]") {
    const auto plain = memory_image({{Form::Gzip, tar_of({tar_file("x")})}}, nullptr,
                                    R"("history":[{"created_by":"base","x":1.10}],"config":{"User":"me"},)");
    auto text = plain.manifest.raw.bytes;
    const auto replace = [&text](const std::string& from, std::string_view to) {
        text.replace(text.find(from), from.size(), to);
    };
    SECTION("an OCI manifest") {
        replace(R"("schemaVersion":2)", R"( "schemaVersion" : 2, "x-first":[1.10, 18446744073709551616])");
        text.insert(text.size() - 1, R"(, "annotations":{"a":"b"} )");
    }
    SECTION("a schema 2 manifest") {
        replace(std::string(oci::media_type::kOciManifest), oci::media_type::kDockerManifest);
        replace(std::string(oci::media_type::kOciConfig), oci::media_type::kDockerConfig);
        replace(std::string(oci::media_type::kOciLayerGzip), oci::media_type::kDockerLayerGzip);
    }
    const auto image = with_manifest(plain, text);
    ConfigEdit edit;
    edit.user = "you";
    edit.created = TimePoint(std::chrono::seconds(1'700'000'000));
    const auto after = edit_config(image, edit);
    // Nothing but the config's digest and size is another text.
    auto expected = text;
    const auto swap = [&expected](const std::string& from, const std::string& to) {
        expected.replace(expected.find(from), from.size(), to);
    };
    swap(image.config.image_id().text(), after.config.image_id().text());
    swap("\"size\":" + std::to_string(image.config.raw.size()), "\"size\":" + std::to_string(after.config.raw.size()));
    CHECK(after.manifest.raw.bytes == expected);
    CHECK(after.manifest.raw.media_type == image.manifest.raw.media_type);
    CHECK(config_member(after, "created") == "\"2023-11-14T22:13:20Z\"");
    CHECK(
        config_member(after, "history") ==
        R"([{"created_by":"base","x":1.10},{"created":"2023-11-14T22:13:20Z","created_by":"cooper config: user, created","empty_layer":true}])");
    CHECK(after.config.non_empty_history == 1);
    check_blobs(after);
}

TEST_CASE("config: an image with layers and without history stays without", "[unit][build]") {
    const auto image = memory_image({{Form::Zstd, tar_of({tar_file("x")})}});
    ConfigEdit edit;
    edit.user = "me";
    const auto after = edit_config(image, edit);
    CHECK_FALSE(after.config.has_history);
    CHECK(after.manifest.layers == image.manifest.layers);
    check_blobs(after);
}

TEST_CASE("config: history says no values", "[unit][build]") {
    ConfigEdit edit;
    edit.env = {{"TOKEN", "hunter2"}};
    edit.labels = {{"key", "hunter2"}};
    edit.cmd = {"--password", "hunter2"};
    edit.author = "hunter2";
    const auto history = config_member(edit_config(image_of("{}"), edit), "history");
    CHECK(history.find("env TOKEN, cmd, label key, author") != std::string::npos);
    CHECK(history.find("hunter2") == std::string::npos);
}

TEST_CASE("config: embedded data of the old config goes from the manifest", "[unit][build]") {
    const auto plain = image_of("{}");
    auto text = plain.manifest.raw.bytes;
    text.insert(text.find("},\"layers\""), R"(,"data":"e30=")");
    ConfigEdit edit;
    edit.user = "me";
    CHECK(edit_config(with_manifest(plain, text), edit).manifest.raw.bytes.find("data") == std::string::npos);
}

// Members that no specification knows, in random places and spelling: after random edits they are all there, byte for
// byte and in their order.
TEST_CASE("config: random edits keep what they do not know", "[unit][build]") {
    const unsigned seed = GENERATE(range(1U, 41U));
    CAPTURE(seed);
    std::minstd_rand random(seed);
    const auto pick = [&](std::size_t count) { return static_cast<std::size_t>(random() >> 4) % count; };
    const std::vector<std::string> values{"1.10",      "1e5",  "18446744073709551616", "-0", R"("\u2028<&>\/")",
                                          "[ 1 ,{ }]", "null", R"({"Env":[1]})"};
    const auto spaced = [&] { return std::vector<std::string>{"", " ", "\n  ", "\t"}[pick(4)]; };
    std::vector<std::string> unknown;
    const auto members = [&](std::vector<std::string> known) {
        for (std::size_t i = pick(4); i > 0; --i) {
            const auto member =
                "\"x" + std::to_string(unknown.size()) + "\"" + spaced() + ":" + spaced() + values[pick(8)];
            unknown.push_back(member);
            known.insert(known.begin() + static_cast<std::ptrdiff_t>(pick(known.size() + 1)), member);
        }
        std::string text = "{";
        for (const auto& member : known) {
            text += (text.size() > 1 ? "," : "") + spaced() + member;
        }
        return text + spaced() + "}";
    };
    const auto container = members({R"("Env":["PATH=/bin", "A=1"])", R"("Cmd":["sh"])", R"("Labels":{"a":"1"})",
                                    R"("ExposedPorts":{"80/tcp":{}})", R"("Healthcheck":{"Retries":1})"});
    const auto config = members({R"("architecture":"amd64")", R"("os":"linux")", "\"config\":" + container,
                                 R"("rootfs":{"type":"layers","diff_ids":[]})"});
    auto image = image_of_config(config);
    for (int round = 0; round < 4; ++round) {
        ConfigEdit edit;
        const auto number = std::to_string(random());
        switch (pick(6)) {
            case 0:
                edit.env = {{"A", number}, {"N" + number, "x"}};
                break;
            case 1:
                edit.unset_env = {"PATH"};
                edit.unset_labels = {"a"};
                break;
            case 2:
                edit.ports = {"80", "90"};
                edit.unset_ports = {"80"};
                break;
            case 3:
                edit.healthcheck = HealthcheckEdit{};
                edit.healthcheck->retries = static_cast<std::uint32_t>(pick(9));
                break;
            case 4:
                edit.entrypoint = {"/run", number};
                break;
            default:
                edit.author = number;
                edit.labels = {{number, number}};
                break;
        }
        image = edit_config(image, edit);
    }
    for (const auto& member : unknown) {
        CAPTURE(member, image.config.raw);
        CHECK(image.config.raw.find(member) != std::string::npos);
    }
    check_blobs(image);
}

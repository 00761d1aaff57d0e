#include "cooper/oci/place.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using oci::PlaceName;
using Kind = PlaceName::Kind;
using Use = PlaceName::Use;

namespace {

struct Case {
    std::string text;
    Use use;
    Kind kind;
    std::string path;
    std::string behind;  // reference or which
};

std::string behind(const PlaceName& place) {
    return place.reference ? place.reference->text() : place.which;
}

}  // namespace

TEST_CASE("places: names as skopeo has them", "[unit][oci]") {
    const std::string id = "sha256:" + std::string(64, 'a');
    const std::vector<Case> cases{
        {"app:1", Use::Read, Kind::Registry, "", "docker.io/library/app:1"},
        {"docker://ghcr.io/acme/app:1", Use::Write, Kind::Registry, "", "ghcr.io/acme/app:1"},
        {"docker:24-dind", Use::Read, Kind::Registry, "", "docker.io/library/docker:24-dind"},
        {"docker-daemon:app:dev", Use::Read, Kind::DockerDaemon, "", "docker.io/library/app:dev"},
        {"docker-daemon:" + id, Use::Read, Kind::DockerDaemon, "", id},
        {"docker-archive:out.tar", Use::Write, Kind::DockerArchive, "out.tar", ""},
        {"docker-archive:out.tar:app:1", Use::Write, Kind::DockerArchive, "out.tar", "docker.io/library/app:1"},
        {"docker-archive:out.tar:busybox", Use::Write, Kind::DockerArchive, "out.tar", "docker.io/library/busybox"},
        {"docker-archive:dir/app:1.2.tar", Use::Write, Kind::DockerArchive, "dir/app:1.2.tar", ""},
        {"docker-archive:app:1.tar:b:2", Use::Write, Kind::DockerArchive, "app:1.tar", "docker.io/library/b:2"},
        {"docker-archive:none.tar:@3", Use::Read, Kind::DockerArchive, "none.tar", "@3"},
        {"docker-archive:-", Use::Read, Kind::DockerArchive, "-", ""},
        {"docker-archive:-:app:1", Use::Write, Kind::DockerArchive, "-", "docker.io/library/app:1"},
        {"oci:./layout:1.2", Use::Write, Kind::OciLayout, "./layout", "1.2"},
        {"oci:/a/b", Use::Write, Kind::OciLayout, "/a/b", ""},
        {"oci:dir:ghcr.io/acme/app:1", Use::Write, Kind::OciLayout, "dir", "ghcr.io/acme/app:1"},
        {"oci:dir:@" + id, Use::Read, Kind::OciLayout, "dir", "@" + id},
        {"oci-archive:a.tar:v1", Use::Write, Kind::OciArchive, "a.tar", "v1"},
        {"oci-archive:-", Use::Write, Kind::OciArchive, "-", ""},
        {"store:app", Use::Read, Kind::Store, "", "docker.io/library/app"}};
    for (const Case& each : cases) {
        INFO(each.text);
        const auto place = PlaceName::parse(each.text, each.use);
        CHECK(place.kind == each.kind);
        CHECK(place.path == each.path);
        CHECK(behind(place) == each.behind);
        CHECK(PlaceName::parse(place.text(), each.use).text() == place.text());
    }
}

TEST_CASE("places: what exists decides where a path ends", "[unit][oci]") {
    const TempDirectory directory("place");
    const std::string file = (directory.path() / "app:1.2.tar").string();
    write_file(file, "x");
    const auto whole = PlaceName::parse("docker-archive:" + file, Use::Read);
    CHECK(whole.path == file);
    CHECK_FALSE(whole.reference);
    const auto named = PlaceName::parse("docker-archive:" + file + ":app:1.2", Use::Read);
    CHECK(named.path == file);
    CHECK(named.reference.value().familiar() == "app:1.2");
    CHECK(PlaceName::parse("oci:" + directory.path().string() + ":a:b", Use::Read).which == "a:b");
}

TEST_CASE("places: what is refused says why", "[unit][oci]") {
    const std::string id = "sha256:" + std::string(64, 'a');
    for (const auto& [text, use] : std::vector<std::pair<std::string, Use>>{
             {"", Use::Read},
             {"oci:", Use::Read},
             {"oci:-", Use::Write},
             {"docker://", Use::Read},
             {"docker://acme/UPPER", Use::Read},
             {"dir:/tmp/x", Use::Read},
             {"containers-storage:app", Use::Read},
             {"docker-archive:x.tar:@1", Use::Write},
             {"oci:dir:@1", Use::Write},
             {"docker-daemon:" + id, Use::Write},
             {"docker://app@" + id, Use::Write},
             {"oci:dir:" + std::string(300, 'a'), Use::Write},
             {"oci:dir:\xff\xfe", Use::Write}}) {
        INFO(text);
        CHECK_THROWS_AS(PlaceName::parse(text, use), Error);
    }
}

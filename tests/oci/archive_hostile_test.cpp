// Archives that nobody's tools write: each is refused with a clear error, or harmless.
#include "oci/archive_support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace cooper;
using namespace cooper::oci;
using namespace cooper::testing;

namespace {

constexpr std::string_view kHarmless;

struct Hostile {
    std::string name;
    std::string bytes;
    std::string_view says = kHarmless;
};

/// A small archive of the old kind whose parts can be exchanged.
struct Parts {
    std::string tar = tar_of({tar_file("a", "a")});
    std::string config = config_of({tar});
    std::string config_name = "config.json";
    std::string layer_name = "layer.tar";
    std::string listing;
    std::vector<TarMember> more = {};

    [[nodiscard]] std::vector<TarMember> members() const {
        std::vector<TarMember> all{
            tar_file(config_name, config), tar_file("layer.tar", tar),
            tar_file("manifest.json", listing.empty() ? listing_of(config_name, {layer_name}) : listing)};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    [[nodiscard]] std::string bytes() const { return tar_of(members()); }
};

std::string archive_with(const std::function<void(Parts&)>& change) {
    Parts parts;
    change(parts);
    return parts.bytes();
}

std::string with_more(std::vector<TarMember> more) {
    return archive_with([&](Parts& parts) { parts.more = std::move(more); });
}

std::string with_listing(const std::string& listing) {
    return archive_with([&](Parts& parts) { parts.listing = listing; });
}

std::string with_layer(const std::string& name, std::vector<TarMember> more = {}) {
    return archive_with([&](Parts& parts) {
        parts.layer_name = name;
        parts.more = std::move(more);
    });
}

/// The same with an index.json; `extra` members beside it.
std::string with_index(const std::string& index, std::vector<TarMember> extra = {}) {
    extra.push_back(tar_file("index.json", index));
    return with_more(std::move(extra));
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), by);
}

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

/// A header whose size field says something else than what follows, its checksum made right again.
std::string with_size(std::string header, const std::string& octal) {
    header.replace(124, 12, octal + std::string(12 - octal.size(), '\0'));
    header.replace(148, 8, 8, ' ');
    unsigned sum = 0;
    for (const char byte : header) {
        sum += static_cast<unsigned char>(byte);
    }
    char digits[8];
    std::snprintf(digits, sizeof digits, "%06o", sum);
    return header.replace(148, 8, std::string(digits, 6) + std::string("\0 ", 2));
}

std::string pax_member(const std::string& records, const TarMember& member) {
    TarMember pax = tar_file("PaxHeaders/x", records);
    std::string header = tar_header(pax.entry);
    header[156] = 'x';
    header = with_size(header, header.substr(124, 11));
    header += records + std::string(tar_padding(records.size()), '\0');
    return header + tar_header(member.entry) + member.content + std::string(tar_padding(member.content.size()), '\0');
}

std::string pax_record(const std::string& key, const std::string& value) {
    const std::string rest = " " + key + "=" + value + "\n";
    std::size_t size = rest.size() + 1;
    while (std::to_string(size).size() + rest.size() != size) {
        ++size;
    }
    return std::to_string(size) + rest;
}

std::vector<Hostile> hostile_names() {
    const Parts parts;
    const std::string outside = "../../../../etc/passwd";
    std::vector<Hostile> cases{
        {"layer path leads out", with_layer(outside), "names the member ../../../../etc/passwd, which is not there"},
        {"layer path is absolute", with_layer("/etc/passwd"), "which is not there"},
        {"config path leads out", with_listing(listing_of(outside, {"layer.tar"})), "which is not there"},
        {"config path is absolute and real", with_listing(listing_of("/etc/hostname", {"layer.tar"})),
         "which is not there"},
        {"symlink to an absolute file", with_layer("x", {tar_symlink("x", "/etc/passwd")}), "which is not there"},
        {"symlink out of the archive", with_layer("x", {tar_symlink("x", outside)}), "which is not there"},
        {"symlink to itself", with_layer("x", {tar_symlink("x", "x")}), "leads through more than"},
        {"symlinks in a circle", with_layer("x", {tar_symlink("x", "y"), tar_symlink("y", "z"), tar_symlink("z", "x")}),
         "leads through more than"},
        {"hard link out of the archive", with_layer("x", {tar_hard_link("x", outside)}), "which is not there"},
        {"hard link to an absolute file", with_layer("x", {tar_hard_link("x", "/etc/passwd")}), "which is not there"},
        {"layer is a directory", with_layer("x", {tar_directory("x")}), "which is not there"},
        {"layer is a device",
         with_layer("x",
                    [] {
                        TarMember device = tar_directory("x");
                        device.entry.path = "x";
                        device.entry.type = TarType::CharDevice;
                        return std::vector{device};
                    }()),
         "which is not there"},
        {"member leads out", with_more({tar_file("../manifest.json", "[]")}), "leads out of it"},
        {"member leads out further down", with_more({tar_file("a/../../manifest.json", "[]")}), "leads out of it"},
        {"absolute member beside a relative one", with_more({tar_file("/manifest.json", "[]")}),
         "two members called manifest.json"},
        {"the same name in another spelling", with_more({tar_file(".//layer.tar", "other")}),
         "two members called layer.tar"},
        {"two tables of contents", with_more({tar_file("manifest.json", "[]")}), "two members called manifest.json"},
        {"the same table of contents twice", with_more({parts.members()[2]}), "two members called manifest.json"},
        {"two layers of one name and size", with_more({tar_file("layer.tar", std::string(parts.tar.size(), 'x'))}),
         "two members called layer.tar"},
        {"a file and a link of one name", with_more({tar_symlink("layer.tar", "config.json")}),
         "two members called layer.tar"},
        {"links of one name", with_more({tar_symlink("x", "layer.tar"), tar_symlink("x", "config.json")}),
         "two members called x"},
        {"a layer repeated exactly", with_more({tar_file("layer.tar", parts.tar)})},
        {"a name that a terminal would obey", with_layer("\\u001b[2J\\u0007"), "names the member ?[2J?"},
    };
    return cases;
}

std::vector<Hostile> hostile_documents() {
    const Parts parts;
    const std::string good = listing_of("config.json", {"layer.tar"});
    const std::string huge(1024 * 1024 + 1, ' ');
    std::vector<Hostile> cases{
        {"no member at all", std::string(1024, '\0'), "no tar"},
        {"only strangers", tar_of({tar_file("readme", "hello")}), "no manifest.json and no index.json"},
        {"manifest.json is huge", with_listing(huge + good), "manifest.json"},
        {"manifest.json is nested deeply", with_listing(nested(5000)), "nested deeper than the limit"},
        {"manifest.json is an object", with_listing("{}"), "not an array of images"},
        {"manifest.json names one key twice", with_listing(R"([{"Config":"a","Config":"b"}])"), "two members named"},
        {"Config is a number", with_listing(R"([{"Config":7}])"), "Config is not a string"},
        {"Layers is an object", with_listing(R"([{"Config":"config.json","Layers":{}}])"), "Layers is not an array"},
        {"thousands of layers", with_listing(listing_of("config.json", std::vector<std::string>(1001, "layer.tar"))),
         "more than 1000 layers"},
        {"a NUL in manifest.json", with_listing(replaced(good, "layer.tar", std::string("a\0b", 3))), "not valid JSON"},
        {"more layers than diff IDs", with_listing(listing_of("config.json", {"layer.tar", "layer.tar"})),
         "lists 2 layers, the config 1"},
        {"fewer layers than diff IDs", with_listing(listing_of("config.json", {})), "lists 0 layers, the config 1"},
        {"another config than its name says",
         archive_with([](Parts& changed) { changed.config_name = hex_of("another") + ".json"; }), "sha256:"},
        {"config is no JSON", archive_with([](Parts& changed) { changed.config = "PK"; }), "config is not valid JSON"},
        {"config is a huge member", archive_with([](Parts& changed) { changed.config.append(5 << 20, ' '); }),
         "config.json"},
        {"diff ID of another layer", archive_with([](Parts& changed) { changed.config = config_of({"other"}); }),
         "diff ID of layer 1 of the archive"},
        {"a compressed layer that holds another tar", archive_with([](Parts& changed) {
             changed.layer_name = "x";
             changed.more = {tar_file("x", gzip_text("other"))};
         }),
         "diff ID of layer 1 of the archive"},
        {"a compressed layer that is cut", archive_with([](Parts& changed) {
             changed.layer_name = "x";
             changed.more = {tar_file("x", gzip_text(changed.tar).substr(0, 60))};
         }),
         "layer x"},
        {"an xz layer",
         with_layer("x", {tar_file("x", std::string("\xfd"
                                                    "7zXZ\0rest",
                                                    10))}),
         "compressed with xz"},
        {"a diff ID that is a path", archive_with([](Parts& changed) {
             changed.config =
                 R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:../../x"]}})";
         }),
         "is not a digest"},
    };
    return cases;
}

std::vector<Hostile> hostile_indexes() {
    const Parts parts;
    const auto path = [](const std::string& content) { return "blobs/sha256/" + hex_of(content); };
    const std::string manifest = manifest_of(parts.config, {parts.tar}, media_type::kOciLayer);
    const std::string entry = descriptor_text(media_type::kOciManifest, manifest);
    const std::string loop_type(media_type::kOciIndex);
    const std::string digest = sha256(manifest).text();
    const auto size_of = [](const std::string& text) { return "\"size\":" + std::to_string(text.size()); };
    std::string deep = index_of({entry});
    std::vector<TarMember> levels{tar_file(path(manifest), manifest)};
    for (int level = 0; level < 8; ++level) {
        levels.push_back(tar_file(path(deep), deep));
        deep = index_of({descriptor_text(media_type::kOciIndex, deep)});
    }
    std::vector<Hostile> cases{
        {"index.json: digest is a path", with_index(index_of({replaced(entry, digest, "sha256:../../../etc/passwd")})),
         "is not a digest"},
        {"index.json: digest of an unknown kind", with_index(index_of({replaced(entry, digest, "md5:00")})),
         "is not a digest"},
        {"index.json: the manifest is another",
         with_index(index_of({entry}), {tar_file(path(manifest), std::string(manifest.size(), ' '))}), "sha256:"},
        {"index.json: the manifest is shorter",
         with_index(index_of({entry}), {tar_file(path(manifest), manifest.substr(1))}), "size of blob"},
        {"index.json: a manifest of a petabyte",
         with_index(index_of({replaced(entry, size_of(manifest), "\"size\":1125899906842624")}),
                    {tar_file(path(manifest), manifest)}),
         "the limit is"},
        {"index.json: a negative size", with_index(index_of({replaced(entry, size_of(manifest), "\"size\":-1")})),
         "size is not a whole number"},
        {"index.json: no array", with_index(R"({"schemaVersion":2,"manifests":7})"), "manifests is not an array"},
        {"index.json: an image", with_index(manifest), "contradicts itself"},
        {"index.json: nested too deep", with_index(deep, levels)},
        {"index.json: layers of the manifest are not there",
         with_index(index_of({descriptor_text(media_type::kOciManifest,
                                              manifest_of(parts.config, {"gone"}, media_type::kOciLayer))}),
                    {tar_file(path(manifest_of(parts.config, {"gone"}, media_type::kOciLayer)),
                              manifest_of(parts.config, {"gone"}, media_type::kOciLayer))}),
         "layer 1 of the archive"},
        {"oci-layout of another version",
         with_index(index_of({entry}),
                    {tar_file(path(manifest), manifest), tar_file("oci-layout", R"({"imageLayoutVersion":"2.0.0"})")}),
         "version 2.0.0 of the image layout"},
    };
    return cases;
}

std::vector<Hostile> hostile_tars() {
    const Parts parts;
    const std::string whole = parts.bytes();
    const std::string rest = whole.substr(0, whole.size() - 1024);  // without the end
    const TarMember small = tar_file("x", "12345");
    const std::string end(1024, '\0');
    std::vector<Hostile> cases{
        {"cut inside a member", whole.substr(0, 530), "ends inside its member"},
        {"cut inside a header", whole.substr(0, 1200), "tar entry"},
        {"not a tar", std::string(2000, 'x'), "is no tar archive"},
        {"a size that reaches far beyond the end", rest + with_size(tar_header(small.entry), "77777777777") + "12345",
         "ends inside its member x"},
        {"a size that is negative",
         rest +
             with_size(tar_header(small.entry), std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12)) +
             end,
         "is negative"},
        {"pax gives another size than the header", rest + pax_member(pax_record("size", "1"), small) + end,
         "the size is 5 in the header but 1"},
        {"pax gives another name: a second table of contents",
         rest + pax_member(pax_record("path", "manifest.json"), small) + end, "two members called manifest.json"},
        {"pax name with a NUL", rest + pax_member(pax_record("path", std::string("a\0b", 3)), small) + end,
         "tar entry"},
        {"a name that goes on after a NUL",
         [&] {
             std::string header = tar_header(tar_file("manifest.json?evil", "").entry);
             header[13] = '\0';
             return rest + with_size(header, "0") + end;
         }(),
         "goes on after a NUL"},
        {"something after the end", whole + tar_of({tar_file("manifest.json", "[]")}), "goes on after its end"},
        {"a wrong checksum further on",
         [&] {
             std::string changed = rest + tar_of({small});
             changed[rest.size()] = 'y';
             return changed;
         }(),
         "checksum is wrong"},
        {"a bomb",
         zstd_text(tar_header([] {
                       TarEntry entry;
                       entry.path = "x";
                       entry.size = 90 << 20;
                       return entry;
                   }()) +
                   std::string(90 << 20, '\0')),
         "limit"},
        {"a cut gzip", gzip_text(whole).substr(0, 300), "integrity: "},
    };
    return cases;
}

/// Opens the archive and reads all that it has.
void read_everything(const std::string& bytes) {
    const ArchiveBench bench;
    const ArchiveFile archive = bench.open(bytes);
    for (std::size_t i = 0; i < archive.images().size(); ++i) {
        const Image image = archive.image(i, Run{});
        for (const Descriptor& layer : image.manifest.layers) {
            content_of(*image.blobs, layer);
        }
    }
}

}  // namespace

TEST_CASE("archive file: hostile archives are refused or harmless", "[unit][oci]") {
    std::vector<Hostile> cases;
    for (auto* const part : {hostile_names, hostile_documents, hostile_indexes, hostile_tars}) {
        const std::vector<Hostile> more = part();
        cases.insert(cases.end(), more.begin(), more.end());
    }
    CHECK(cases.size() >= 60);
    for (const Hostile& hostile : cases) {
        INFO(hostile.name);
        const std::string said = failure_of([&] { read_everything(hostile.bytes); });
        if (hostile.says == kHarmless) {
            CHECK(said == "");
        } else {
            CHECK_THAT(said, Catch::Contains(std::string(hostile.says)));
        }
        const bool printable = std::all_of(said.begin(), said.end(), [](char c) { return c < 0 || c >= ' '; });
        CHECK(printable);
    }
}

TEST_CASE("archive file: members and their names are bounded in number", "[unit][oci]") {
    std::string archive;
    const std::string directory = tar_header(tar_directory("d").entry);
    archive.reserve(100'001 * directory.size());
    for (int i = 0; i <= 100'000; ++i) {
        archive += directory;
    }
    CHECK_THAT(failure_of([&] { read_everything(archive); }), Catch::Contains("more than 100000 members"));
}

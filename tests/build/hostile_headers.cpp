#include "build/hostile_layers.hpp"
#include "build/layer_tar.hpp"

namespace cooper::testing {

namespace {

using Tars = std::vector<std::string>;

RawHeader header_of(const std::string& name, char type = '0', const std::string& link = "") {
    RawHeader header;
    header.name = name;
    header.type = type;
    header.link = link;
    return header;
}

std::string sized(std::uint64_t size, const std::string& name = "f") {
    RawHeader header = header_of(name);
    header.size = octal_size(size);
    return header.block();
}

/// A size field in GNU's base-256.
std::string binary_size(const std::string& bytes) {
    RawHeader header = header_of("f");
    header.size = bytes;
    return header.block();
}

auto blocks(std::string tar) {
    return [tar = std::move(tar)](const Target&) { return Tars{tar + end_blocks()}; };
}

std::string pax(const std::string& key, const std::string& value) {
    return extension('x', pax_record(key, value));
}

std::string smuggled() {
    return header_of("smuggled").block();
}

std::vector<HostileLayers> sizes() {
    const std::string content = padded("0123456789");
    return {
        {"pax and header disagree on the size", Outcome::Refused, blocks(pax("size", "1024") + sized(10) + content)},
        {"pax hides a header in a content", Outcome::Refused, blocks(pax("size", "512") + sized(0) + smuggled())},
        {"a negative pax size", Outcome::Refused, blocks(pax("size", "-1") + sized(10) + content)},
        {"a pax size over 64 bits", Outcome::Refused,
         blocks(pax("size", "18446744073709551616") + sized(10) + content)},
        {"a pax size that is no number", Outcome::Refused, blocks(pax("size", "1e3") + sized(10) + content)},
        {"an empty pax size", Outcome::Refused, blocks(pax("size", "") + sized(10) + content)},
        {"two pax sizes", Outcome::Refused,
         blocks(extension('x', pax_record("size", "10") + pax_record("size", "1024")) + sized(10) + content)},
        {"a negative size", Outcome::Refused, blocks(binary_size(std::string(12, '\xff')))},
        {"a size over 64 bits", Outcome::Refused, blocks(binary_size("\x80" + std::string(11, '\x7f')))},
        {"a size that is not octal", Outcome::Refused, blocks(binary_size("00000000089"))},
        {"eight exabytes", Outcome::Refused,
         blocks(binary_size(std::string("\x80\0\0\0\x7f", 5) + std::string(7, '\xff')))},
        {"a content that is cut short", Outcome::Refused,
         [](const Target&) { return Tars{sized(100'000) + padded("only this")}; }},
        {"a header that is cut short", Outcome::Refused,
         [](const Target&) { return Tars{header_of("f").block().substr(0, 300)}; }},
        {"a directory with a content", Outcome::Refused,
         [](const Target&) {
             RawHeader header = header_of("d/", '5');
             header.size = octal_size(512);
             return Tars{header.block() + smuggled() + end_blocks()};
         }},
        {"a hard link with a content", Outcome::Refused,  // libarchive CVE-2016-5418
         [](const Target& target) {
             RawHeader header = header_of("h", '1', (target.canary / "passwd").string());
             header.size = octal_size(10);
             return Tars{LayerTar()
                             .symlink("h", target.canary / "passwd")
                             .raw(header.block())
                             .raw(padded("overwritte"))
                             .done()};
         }},
        {"a symbolic link with a content", Outcome::Refused,
         [](const Target& target) {
             RawHeader header = header_of("s", '2', target.relative);
             header.size = octal_size(512);
             return Tars{header.block() + smuggled() + end_blocks()};
         }},
    };
}

/// Two readers that attach what extends an entry to different headers see different archives (CVE-2025-62518).
std::vector<HostileLayers> extensions() {
    const std::string long_out = "../canary/" + std::string(120, 'n');
    return {
        {"pax before a GNU long name", Outcome::Refused,
         blocks(pax("size", "512") + extension('L', "long") + sized(0) + smuggled())},
        {"a GNU long name before pax", Outcome::Refused,
         blocks(extension('L', "long") + pax("path", "other") + sized(0))},
        {"two GNU long names", Outcome::Refused, blocks(extension('L', "a") + extension('L', "b") + sized(0))},
        {"two pax headers", Outcome::Refused, blocks(pax("path", "a") + pax("path", "b") + sized(0))},
        {"a pax header for a global one", Outcome::Refused,
         blocks(pax("path", "a") + extension('g', pax_record("comment", "x")) + sized(0))},
        {"a pax header at the end", Outcome::Refused, blocks(pax("path", "a"))},
        {"a global path", Outcome::Refused, blocks(extension('g', pax_record("path", "../x")) + sized(0))},
        {"a global link target", Outcome::Refused,
         blocks(extension('g', pax_record("linkpath", "/etc")) + header_of("s", '2', "x").block())},
        {"a global comment", Outcome::Harmless, blocks(extension('g', pax_record("comment", "x")) + sized(0))},
        {"a pax path that leads out", Outcome::Harmless, blocks(pax("path", "../canary/passwd") + sized(0))},
        {"a pax path that is the root", Outcome::Refused, blocks(pax("path", "./") + header_of("s", '2', "x").block())},
        {"a pax target that leads out", Outcome::Harmless,
         [](const Target& target) {
             return Tars{pax("linkpath", target.canary.string()) + header_of("s", '2', "x").block() +
                         header_of("s/passwd").block() + end_blocks()};
         }},
        {"a pax path with a NUL", Outcome::Refused,
         blocks(pax("path", std::string("good\0/../../canary", 18)) + sized(0))},
        {"a pax attribute with a NUL in its name", Outcome::Refused,
         blocks(pax(std::string("SCHILY.xattr.user.\0x", 20), "1") + sized(0))},
        {"a pax attribute without a name", Outcome::Harmless, blocks(pax("SCHILY.xattr.", "1") + sized(0))},
        {"a pax record that lies about its length", Outcome::Refused, blocks(extension('x', "99 path=x\n") + sized(0))},
        {"a pax record of no length", Outcome::Refused, blocks(extension('x', "0 path=x\n") + sized(0))},
        {"a GNU long name that leads out", Outcome::Harmless, blocks(extension('L', long_out + '\0') + sized(0))},
        {"a GNU long name with a NUL", Outcome::Refused,
         blocks(extension('L', std::string("good\0/../x", 10)) + sized(0))},
        {"an empty GNU long name", Outcome::Refused, blocks(extension('L', "") + sized(0))},
        {"a GNU long target of a hard link", Outcome::Refused,
         [](const Target& target) {
             return Tars{extension('K', (target.canary / "passwd").string() + '\0') + header_of("h", '1', "x").block() +
                         end_blocks()};
         }},
        {"a GNU long name without end", Outcome::Refused,
         [](const Target&) {
             RawHeader header = header_of("././@LongLink", 'L');
             header.size = "77777777777";
             return Tars{header.block() + end_blocks()};
         }},
    };
}

std::vector<HostileLayers> header_fields() {
    const auto with = [](auto change) {
        return [change](const Target&) {
            RawHeader header = header_of("f");
            change(header);
            return Tars{header.block() + end_blocks()};
        };
    };
    return {
        {"a sparse file of GNU", Outcome::Refused, with([](RawHeader& h) { h.type = 'S', h.magic = "ustar  "; })},
        {"a sparse file of pax", Outcome::Refused, blocks(pax("GNU.sparse.realsize", "1000000000000") + sized(0))},
        {"a multi-volume file", Outcome::Refused, with([](RawHeader& h) { h.type = 'M'; })},
        {"an unknown type", Outcome::Refused, with([](RawHeader& h) { h.type = 'Z'; })},
        {"a file with a slash", Outcome::Refused, with([](RawHeader& h) { h.name = "f/"; })},
        {"a name behind a NUL", Outcome::Refused, with([](RawHeader& h) { h.name = std::string("f\0/../x", 7); })},
        {"a prefix that leads out", Outcome::Harmless, with([](RawHeader& h) { h.prefix = "../canary"; })},
        {"a link without a target", Outcome::Refused, with([](RawHeader& h) { h.type = '2'; })},
        {"no name", Outcome::Refused, with([](RawHeader& h) { h.name.clear(); })},
        {"a mode with a type in it", Outcome::Harmless, with([](RawHeader& h) { h.mode = "0120777"; })},
        {"a time before 1970", Outcome::Harmless, with([](RawHeader& h) { h.mtime = std::string(12, '\xff'); })},
        {"a time in the year 36812", Outcome::Harmless, with([](RawHeader& h) { h.mtime = "777777777777"; })},
        {"a negative owner", Outcome::Refused, with([](RawHeader& h) { h.uid = std::string(8, '\xff'); })},
        {"a wrong checksum", Outcome::Refused,
         [](const Target&) {
             std::string block = header_of("f").block();
             block[0] = 'g';
             return Tars{block + end_blocks()};
         }},
        {"no end", Outcome::Harmless, [](const Target&) { return Tars{header_of("f").block()}; }},
        {"more behind the end", Outcome::Refused,
         [](const Target&) { return Tars{header_of("f").block() + end_blocks() + smuggled()}; }},
        {"no tar at all", Outcome::Refused, [](const Target&) { return Tars{std::string(4096, 'x')}; }},
        {"an empty layer", Outcome::Harmless, [](const Target&) { return Tars{""}; }},
    };
}

}  // namespace

std::vector<HostileLayers> layers_with_hostile_headers() {
    auto all = sizes();
    for (const auto& part : {extensions(), header_fields()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

std::vector<HostileLayers> hostile_layers() {
    auto all = layers_with_hostile_paths();
    for (const auto& part : {layers_with_hostile_entries(), layers_with_hostile_headers()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

}  // namespace cooper::testing

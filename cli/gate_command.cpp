#include "cooper/base/files.hpp"
#include "cooper/delivery/build_info.hpp"
#include "cooper/delivery/evidence.hpp"
#include "cooper/delivery/gate.hpp"
#include "cooper/oci/archive_writer.hpp"
#include "cooper/oci/convert.hpp"

#include "archive_flags.hpp"
#include "command.hpp"
#include "gate_flags.hpp"
#include "gate_report.hpp"
#include "image_argument.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

namespace cooper::cli {

namespace {

constexpr std::size_t kMaxUnused = 10;  // warnings about evidence of images that were not given

/// The tarball of one image, for as long as its gates run.
struct GateTarball {
    TempDirectory directory{"cooper-gate"};
    std::filesystem::path path;
    std::optional<Digest> sha256;
    std::uint64_t size = 0;
};

/// What `publish` would deliver of the image. Nobody but us may read the directory, and nobody may write the file.
std::unique_ptr<GateTarball> make_gate_tarball(const OpenedImage& opened, const ArchiveFlags& flags, const Run& run) {
    TempDirectory spool("cooper-gate");
    oci::Image image = opened.image;
    if (oci::needs_conversion(image, flags.layers)) {
        image = oci::convert_layers(opened.image, flags.layers, spool.path(), run);
    }
    const auto plan = oci::ArchivePlan::make({{image, repo_tags(opened.names)}}, flags.format);
    auto tarball = std::make_unique<GateTarball>();
    tarball->path = tarball->directory.path() / "image.tar";
    const auto written = oci::write_archive(
        plan, tarball->path,
        {.connections = flags.jobs, .checksum = true, .deep = flags.deep, .task = opened.names[0].familiar()}, run);
    tarball->sha256 = written.sha256;
    tarball->size = written.size;
    std::filesystem::permissions(tarball->path, std::filesystem::perms::owner_read);
    return tarball;
}

class GateVerb final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "gate",
            .summary = "let nothing pass but what was tested and scanned",
            .usage = "IMAGE[=NAME:TAG]... [--record DIR] [--expect DIR] [--cmd TEMPLATE]... [FLAGS]",
            .about =
                "The job that tests an image writes down what it is (--record); the job that publishes compares\n"
                "(--expect) and stops at any difference, told down to the file (exit code 4). A scanner (--cmd) looks\n"
                "at the very tarball that publish would deliver, a test (--test) runs the image: findings or a failed\n"
                "test are exit code 6, a gate that could not say is 12. Commands run without a shell and without\n"
                "credentials; what they write is kept in --log-dir (default: cooper-logs). All images are looked at.",
            .examples = {
                {"in the job that tests: what it is, once the tests passed",
                 "cooper gate docker-daemon:acme/app:v1 --test 'docker run --rm {id} pytest' --record digests"},
                {"in the job that publishes", "cooper gate ghcr.io/acme/app:v1 --expect digests/"},
                {"nothing with known holes",
                 "cooper gate ghcr.io/acme/app:v1 --cmd 'trivy image --input {tar} --exit-code 1 \\\n"
                 "      --severity HIGH,CRITICAL --format json --output {out}'"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Gates");
        line.value("--record", "DIR", "write evidence of what the images are, if they pass", record_);
        line.toggle("--no-files", "evidence of digests alone: no layer is read, differences are not told by file",
                    no_files_);
        gates_.declare(line);
        line.heading("Tarball");
        archive_.declare(line);
        connection_.declare_places(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1000);
        const auto commands = gates_.gates();
        if (commands.empty() && record_.empty() && gates_.expect().empty()) {
            throw UsageError("gate: what is to be checked?",
                             "--expect DIR, --cmd TEMPLATE, --test TEMPLATE or --record DIR");
        }
        std::vector<ImageArgument> arguments;
        for (const std::string& text : positionals) {
            arguments.push_back(ImageArgument::parse(text));
        }
        check_one_login(connection_, arguments);
        Session session(output, connection_);
        const auto evidence = gates_.evidence();
        const auto opened = open_all(session, arguments);
        std::vector<GatedImage> images;
        for (std::size_t i = 0; i < opened.size(); ++i) {
            images.push_back(gated(opened[i], arguments[i], evidence, commands, session));
        }
        warn_of_unused(evidence, opened, session);
        delivery::write_job_summary(session.environment(), delivery::gate_summary(gate_rows(images)));
        session.finish_progress();
        print_gated(images, output.json);
        fail_if_any(images);
    }

private:
    std::vector<OpenedImage> open_all(Session& session, const std::vector<ImageArgument>& arguments) const {
        std::vector<OpenedImage> opened;
        std::set<std::string> names;
        for (const ImageArgument& argument : arguments) {
            opened.push_back(open_image(session, argument, archive_.platform));
            if (opened.back().names.empty()) {
                throw UsageError(argument.source + " has no NAME:TAG to be found again by",
                                 argument.source + "=NAME:TAG");
            }
            const oci::Reference& name = opened.back().names[0];
            if (!names.insert(name.base_name() + ":" + *name.tag()).second) {
                throw UsageError("two images are called " + name.base_name() + ":" + *name.tag(),
                                 "give one of them another name with =NAME:TAG");
            }
        }
        return opened;
    }

    GatedImage gated(const OpenedImage& opened, const ImageArgument& argument,
                     const std::optional<delivery::EvidenceSet>& evidence,
                     const std::vector<delivery::GateCommand>& commands, Session& session) const {
        GatedImage image;
        image.source = opened.source;
        image.name = opened.names[0].familiar();
        image.image_id = opened.image.manifest.config.digest.text();
        image.manifest = opened.image.manifest.raw.digest.text();
        std::unique_ptr<GateTarball> tarball;
        if (std::any_of(commands.begin(), commands.end(), [](const auto& each) { return each.needs_tarball(); })) {
            tarball = make_gate_tarball(opened, archive_, session.run());
            image.tarball = tarball->sha256;
            image.tarball_size = tarball->size;
        }
        if (evidence) {
            judge(image, "digest", "", [&](GateVerdict&) {
                delivery::check_evidence(evidence->of(image.name), opened.image, image.tarball,
                                         has_own_manifest(argument), session.run());
            });
        }
        if (image.passed()) {
            run_gates(image, opened, argument, tarball.get(), commands, session);
        }
        if (image.passed() && !record_.empty()) {
            record(image, opened, argument, commands, session);
        }
        return image;
    }

    void run_gates(GatedImage& image, const OpenedImage& opened, const ImageArgument& argument,
                   const GateTarball* tarball, const std::vector<delivery::GateCommand>& commands,
                   Session& session) const {
        const oci::Reference& name = opened.names[0];
        delivery::GateSubject subject;
        subject.name = name.base_name();
        subject.tag = *name.tag();
        subject.image = runnable_name(opened, argument.place);
        subject.image_id = image.image_id;
        subject.manifest = image.manifest;
        subject.sha256 = image.tarball;
        subject.tarball = tarball == nullptr ? std::filesystem::path() : tarball->path;
        for (const delivery::GateCommand& command : commands) {
            const bool scan = command.kind == delivery::GateKind::Scan;
            const std::string program = std::filesystem::path(command.words.front()).filename().string();
            judge(image, scan ? "scan" : "test", program, [&](GateVerdict& verdict) {
                verdict.report = delivery::run_gate(command, subject, GateFlags::logs(output), true,
                                                    session.environment(), session.run());
                verdict.log = verdict.report->log;
            });
        }
    }

    /// An engine would run this very image by it.
    static std::string runnable_name(const OpenedImage& opened, const oci::PlaceName& place) {
        if (place.kind == oci::PlaceName::Kind::Registry) {
            return place.reference->with_digest(opened.image.manifest.raw.digest).text();
        }
        if (place.kind == oci::PlaceName::Kind::DockerDaemon) {
            return place.reference ? place.reference->text() : place.which;
        }
        return opened.names[0].text();
    }

    template <class F>
    static void judge(GatedImage& image, std::string kind, std::string program, F&& body) {
        GateVerdict verdict{std::move(kind), std::move(program), "passed", "", {}, {}, nullptr};
        const auto failed = [&](const char* word, const Error& error) {
            verdict.verdict = word;
            verdict.message = error.what();
            verdict.failure = std::current_exception();
        };
        try {
            body(verdict);
        } catch (const delivery::NotTested& error) {
            failed("differs", error);
        } catch (const delivery::GateSaidNo& error) {
            failed(verdict.kind == "scan" ? "findings" : "failed", error);
            verdict.log = error.log();
        } catch (const delivery::GateBroke& error) {
            failed("broken", error);
            verdict.log = error.log();
        } catch (const Error& error) {
            failed("error", error);
        }
        image.verdicts.push_back(std::move(verdict));
    }

    void record(GatedImage& image, const OpenedImage& opened, const ImageArgument& argument,
                const std::vector<delivery::GateCommand>& commands, Session& session) const {
        auto evidence = delivery::evidence_of(opened.image, image.name);
        evidence.manifest_is_made = !has_own_manifest(argument);
        evidence.tarball = image.tarball;
        evidence.tarball_size = image.tarball_size;
        for (const delivery::GateCommand& command : commands) {
            if (command.kind == delivery::GateKind::Test) {
                evidence.passed.push_back(joined(command.words, " "));
            }
        }
        image.evidence =
            delivery::write_evidence(record_, std::move(evidence), opened.image, !no_files_, session.run()).string();
    }

    static void warn_of_unused(const std::optional<delivery::EvidenceSet>& evidence,
                               const std::vector<OpenedImage>& opened, Session& session) {
        std::set<const delivery::EvidenceSet::Item*> used;
        for (const OpenedImage& image : opened) {
            used.insert(evidence ? evidence->find(image.names[0].familiar()) : nullptr);
        }
        std::vector<std::string> unused;
        for (std::size_t i = 0; evidence && i < evidence->items().size(); ++i) {
            if (used.find(&evidence->items()[i]) == used.end()) {
                unused.push_back(evidence->items()[i].evidence.name);
            }
        }
        for (std::size_t i = 0; i < std::min(unused.size(), kMaxUnused); ++i) {
            session.warn(unused[i] + " was tested, but is not among the images given");
        }
        if (unused.size() > kMaxUnused) {
            session.warn("so were " + std::to_string(unused.size() - kMaxUnused) + " more");
        }
    }

    /// Each failure is said; the gravest one decides the exit code. With --json there is one document, and it is out.
    void fail_if_any(const std::vector<GatedImage>& images) {
        const std::exception_ptr gravest = gravest_failure(images);
        for (const GatedImage& image : images) {
            for (const GateVerdict& verdict : image.verdicts) {
                if (verdict.failure && (output.json || verdict.failure != gravest)) {
                    complain("cooper: error: " + printable(verdict.message) + "\n");
                }
            }
        }
        if (!gravest) {
            return;
        }
        try {
            std::rethrow_exception(gravest);
        } catch (const Error& error) {
            if (!output.json) {
                throw;
            }
            exit_code = exit_code_of(error);
        }
    }

    std::string record_;
    bool no_files_ = false;
    GateFlags gates_;
    ArchiveFlags archive_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_gate_command() {
    return std::make_unique<GateVerb>();
}

}  // namespace cooper::cli

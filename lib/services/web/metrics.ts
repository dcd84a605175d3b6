import type { Distribution, StatDeclaration } from "../../host/stats.ts";
import type { Numbers } from "./sampler.ts";

/** Media type of Prometheus's text format. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

interface Family {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly about: string;
  readonly samples: string[];
}

/**
 * All numbers in Prometheus's text format: `summoner_PART_NAME_UNIT`, with
 * `_total` after a counter. A unit inside the name moves to the end.
 */
export function metricsText(
  numbers: ReadonlyMap<string, Numbers>,
  healthy: ReadonlyMap<string, boolean>,
  version: string,
): string {
  const families = new Map<string, Family>();
  const add = (
    name: string,
    kind: Family["kind"],
    about: string,
    labels: string,
    value: number,
  ) => {
    const family = families.get(name) ?? { kind, about, samples: [] };
    family.samples.push(`${name}${labels} ${value}`);
    families.set(name, family);
  };
  add("summoner_build_info", "gauge", "What runs.", label("version", version), 1);
  for (const [part, ok] of healthy) {
    const about = "Whether a service is healthy: 1 or 0.";
    add("summoner_service_healthy", "gauge", about, label("service", part), ok ? 1 : 0);
  }
  for (const [part, { declared, stats }] of numbers) {
    for (const [stat, declaration] of Object.entries(declared)) {
      const { kind, series } = declaration;
      const name = seriesName(part, series?.name ?? stat, declaration);
      const labels = series ? (series.of ? [series.of, series] : [series]) : [];
      const about = series
        ? `By ${labels.map(({ label }) => label).join(" and ")}.`
        : declaration.about;
      const pairs = labels.map(({ label, value }) => pair(label, value)).join();
      add(name, kind, about, pairs && `{${pairs}}`, stats[stat] as number);
    }
  }
  for (const [part, { distributions = [] }] of numbers) {
    for (const distribution of distributions) {
      const name = `summoner_${part}_${distribution.name}_${distribution.unit}`;
      const samples = samplesOf(name, distribution);
      if (samples.length > 0) {
        families.set(name, { kind: "histogram", about: distribution.about, samples });
      }
    }
  }
  const lines: string[] = [];
  for (const [name, { kind, about, samples }] of families) {
    lines.push(`# HELP ${name} ${escaped(about)}`, `# TYPE ${name} ${kind}`, ...samples);
  }
  return `${lines.join("\n")}\n`;
}

/** The cumulative buckets, the sum and the count of each histogram. */
function samplesOf(name: string, { label: by, histograms }: Distribution): string[] {
  const samples: string[] = [];
  for (const [value, { bounds, counts, sum }] of histograms) {
    const own = by === null ? [] : [pair(by, value)];
    const all = own.length > 0 ? `{${own.join()}}` : "";
    let below = 0;
    for (const [i, count] of counts.entries()) {
      below += count;
      const bound = i < bounds.length ? String(bounds[i]) : "+Inf";
      samples.push(`${name}_bucket{${[...own, pair("le", bound)].join()}} ${below}`);
    }
    samples.push(`${name}_sum${all} ${sum}`, `${name}_count${all} ${below}`);
  }
  return samples;
}

function seriesName(part: string, stat: string, { unit, kind }: StatDeclaration): string {
  const words = stat.split("_").filter((word) => word !== unit);
  const total = kind === "counter" ? "total" : "";
  return ["summoner", part, ...words, unit, total].filter((word) => word !== "").join("_");
}

function label(name: string, value: string): string {
  return `{${pair(name, value)}}`;
}

function pair(name: string, value: string): string {
  return `${name}="${escaped(value).replaceAll('"', '\\"')}"`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

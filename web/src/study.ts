// The shape of study.json, as docs/study.schema.json states it.
export interface Num { value: number | null; n: number; ci: [number | null, number | null]; metric: string }

export type Verdict = "right" | "wrong" | "context" | "memory" | "neither";
export interface Example {
  id: string; question: string; gold: string; answer: string; context: string; verdict: Verdict; confidence: Num;
}

export interface ExposureRow { label: string; accuracy: Num; confidence: Num; right_type: Num; examples: Example[] }
export interface AccuracyRow { label: string; accuracy: Num; examples: Example[] }
export interface SplitRow { label: string; known: Num; half_known: Num; unknown: Num }
export interface WrongRow { label: string; share: Num; examples: Example[] }
export interface VariantRow { label: string; plain: Num; asked: Num; kept: Num; examples: Example[] }
export interface Claims { all: Num; known: Num; unknown: Num; says_true: Num; examples: Example[] }
export interface Recall {
  overall: Num; by_exposure: ExposureRow[]; by_relation: AccuracyRow[]; split: SplitRow[]; wrong: WrongRow[];
  variants: VariantRow[]; claims: Claims | null; examples: Example[];
}

export interface ReliabilityBin { label: string; confidence: Num; accuracy: Num }
export interface RiskPoint { coverage: Num; risk: Num; threshold: Num }
export interface Score {
  id: string; title: string; surer: "higher" | "lower"; auroc: Num; aurc: Num; ece: Num | null; brier: Num | null;
  reliability: ReliabilityBin[]; risk_coverage: RiskPoint[]; tokens: Num;
}
export interface Advice { score: string; threshold: Num; error: Num; coverage: Num; risk: Num; confidence: Num }
export interface Temperature {
  temperature: Num; ece_before: Num; ece_after: Num; brier_before: Num; brier_after: Num; reliability: ReliabilityBin[];
}
export interface Calibrated { under: Num; coverage: Num; error: Num; ece: Num; reliability: ReliabilityBin[] }
export interface Certainty {
  scores: Score[]; advice: Advice | null; temperature: Temperature | null; calibration: Calibrated | null; examples: Example[];
}

export interface FollowRow { label: string; context: Num; memory: Num; neither: Num; examples: Example[] }
export interface Conflict {
  groups: FollowRow[]; by_exposure: FollowRow[]; by_intent: FollowRow[]; reading: AccuracyRow[]; examples: Example[];
}

export interface Probe {
  id: "correctness" | "conflict"; title: string; reads: string; positions: string[]; layers: string[]; auroc: Num[][];
  best: { layer: string; position: string; auroc: Num }; baseline: Num | null;
}

export interface RateRow { label: string; rate: Num }
export interface LeverPoint { setting: string; moved: RateRow[]; broke: RateRow[] }
export interface Lever { id: string; title: string; parameter: string; points: LeverPoint[] }

export type FindingKind = "good" | "caution" | "bad" | "info";
export interface Finding { id: string; kind: FindingKind; text: string; advice: string }

export const SCHEMA = "ken.study/2";
export const SWEEP = "ken.sweep/1";
export interface Sweep { schema: string; model: string; facts: string; lever: Lever }
export interface Study {
  schema: string;
  model: {
    name: string; sha256: string; arch: string; compute: string; parameters: Num; layers: Num; d_model: Num; vocab: Num;
  };
  facts: { name: string; source: string; questions: Num; relations: string[] };
  prompt: { form: "plain" | "few-shot" | "chat"; label: string; examples: Num; system: string };
  seed: string;
  recall: Recall; certainty: Certainty; conflict: Conflict | null; probes: Probe[]; levers: Lever[]; findings: Finding[];
}
